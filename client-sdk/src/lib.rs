//! What a program needs to take part in a mesh.
//!
//! - To read: [`Mesh`] finds the farms through all lookups and merges what they say; [`subscription`] talks to one farm.
//! - To be found: [`identity`] says who a service is, [`lease`] keeps it registered with every lookup.
//! - [`filters`] deploys code that runs at the farms, and asks how it goes.
//! - [`directory`] finds and watches services of any kind; [`token`] is what lets a user's programs change things.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use hedgerow_client::{Mesh, MeshOptions, Predicate};
//!
//! let mesh = Mesh::connect(MeshOptions::default()).await?;
//! let mut samples = mesh.subscribe(&Predicate::parse("*/*/*/load1 since=5m")?).samples();
//! while let Some(sample) = samples.next().await {
//!     println!("{} {} {:?}", sample.farm, sample.series.key.node, sample.value);
//! }
//! # Ok(()) }
//! ```
//!
//! Nothing here keeps more than is asked of it: streams do their work when they are polled and queue nothing, so a slow
//! program makes farms wait and then skip, and is told exactly what was skipped.

pub mod alarms;
mod backoff;
pub mod channel;
pub mod directory;
pub mod discovery;
pub mod documents;
pub mod error;
pub mod filters;
pub mod identity;
pub mod lease;
pub mod mesh;
mod private_file;
pub mod sample;
pub mod series_table;
pub mod subscription;
pub mod token;

pub use channel::{Caller, Connection};
pub use directory::{Directory, Service, Transition};
pub use error::ClientError;
pub use hedgerow_model::{Predicate, Template};
pub use identity::Identity;
pub use lease::{Body, LeaseKeeper, LeaseKeeperOptions};
pub use mesh::{Coverage, Mesh, MeshOptions, MeshStream, MeshUpdate};
pub use sample::{BinSet, Sample, Samples};
pub use subscription::{SubscribeOptions, Subscription, Update, subscribe};
pub use token::UserToken;

/// The words of the project, as types.
pub use hedgerow_model as model;
/// The contract on the wire, for calls this crate has no words for.
pub use hedgerow_proto as proto;
