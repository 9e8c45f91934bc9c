//! The contract on the wire: generated protobuf code and its conversions to the model.
//!
//! What comes in is checked here, once: behind this crate nobody sees a name, a column or a registration that is not of
//! its form. The `.proto` files beside it are the contract; `docs/reference/protocol.md` explains it.

pub mod convert;
pub mod mesh_name;
pub mod signed;
pub mod stream;
pub mod token;

pub use convert::WireError;

/// Code made from the `.proto` files.
#[allow(missing_docs, clippy::all, clippy::pedantic, unused_qualifications, rustdoc::all)]
#[rustfmt::skip]
mod generated {
    pub mod hedgerow {
        pub mod common {
            pub mod v1 {
                include!("gen/hedgerow.common.v1.rs");
            }
        }
        pub mod lookup {
            pub mod v1 {
                include!("gen/hedgerow.lookup.v1.rs");
            }
        }
        pub mod farm {
            pub mod v1 {
                include!("gen/hedgerow.farm.v1.rs");
            }
        }
        pub mod filter {
            pub mod v1 {
                include!("gen/hedgerow.filter.v1.rs");
            }
        }
    }
}

/// Which role each method takes.
pub mod methods {
    include!("gen/methods.rs");

    /// The role that the method of this HTTP path takes; `None`: no method of ours.
    pub fn role(path: &str) -> Option<Role> {
        METHODS.iter().find(|(method, _)| *method == path).map(|(_, role)| *role)
    }
}

pub use generated::hedgerow::common::v1 as common;
pub use generated::hedgerow::farm::v1 as farm;
pub use generated::hedgerow::filter::v1 as filter;
pub use generated::hedgerow::lookup::v1 as lookup;

/// The contract as descriptors, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!("gen/descriptors.binpb");

/// The API package of farms, as registrations name it.
pub const FARM_API: &str = "hedgerow.farm.v1";
/// The full name of the farm's service, for the health service.
pub const FARM_SERVICE: &str = "hedgerow.farm.v1.Farm";
/// The full name of the farm's service of filters, for the health service.
pub const FILTERS_SERVICE: &str = "hedgerow.filter.v1.Filters";
/// The full name of the farm's service of alarms, for the health service.
pub const ALARMS_SERVICE: &str = "hedgerow.filter.v1.Alarms";
/// The full name of the lookup's service, for the health service.
pub const LOOKUP_SERVICE: &str = "hedgerow.lookup.v1.Lookup";
/// The full name of the lookup's service of signed documents, for the health service.
pub const DOCUMENTS_SERVICE: &str = "hedgerow.lookup.v1.Documents";
/// The API package of lookups, as registrations name it.
pub const LOOKUP_API: &str = "hedgerow.lookup.v1";

/// Metadata: the id of the mesh that the caller, or the answerer, belongs to; 32 hex digits.
pub const MESH_ID_METADATA: &str = "hedgerow-mesh";
/// Metadata: the name of the mesh, percent-encoded where it is not ASCII.
pub const MESH_NAME_METADATA: &str = "hedgerow-mesh-name";
