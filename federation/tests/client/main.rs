//! Bundles fetched from endpoints that are what they should be, and from those that are not.

mod endpoint;
mod spiffe_endpoint;
mod web_endpoint;
