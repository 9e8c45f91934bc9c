//! The contract on the wire: generated protobuf code and its conversions to the model.
