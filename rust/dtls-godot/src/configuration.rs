//! The configurations that `dtls-core` takes, made from what the classes are given.

pub(crate) mod certificate;
pub(crate) mod client;
pub(crate) mod error;
pub(crate) mod of_arguments;
pub(crate) mod of_options;
pub(crate) mod parts;
