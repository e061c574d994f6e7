//! The names of the methods that there are, so that no caller can add to them by asking for others.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message;
use prost_types::FileDescriptorSet;
use symbolon_api::FILE_DESCRIPTOR_SET;

/// Service and method by path. Whatever the descriptors have is known; whether it is served is the gate's business.
static METHODS: LazyLock<HashMap<String, (String, String)>> = LazyLock::new(|| {
    let sets = [FILE_DESCRIPTOR_SET, tonic_health::pb::FILE_DESCRIPTOR_SET];
    let files = sets
        .into_iter()
        .filter_map(|set| FileDescriptorSet::decode(set).ok());
    let mut methods = HashMap::new();
    for file in files.flat_map(|set| set.file) {
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            for method in &service.method {
                let path = format!("/{name}/{}", method.name());
                methods.insert(path, (name.clone(), method.name().to_owned()));
            }
        }
    }
    for name in [
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ] {
        let method = "ServerReflectionInfo";
        methods.insert(format!("/{name}/{method}"), (name.to_owned(), method.to_owned()));
    }
    methods
});

/// Service and method of a path such as `/spire.api.server.agent.v1.Agent/GetAgent`.
pub(crate) fn names_of(path: &str) -> Option<(&'static str, &'static str)> {
    METHODS
        .get(path)
        .map(|(service, method)| (service.as_str(), method.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorization::rules;

    #[test]
    fn everything_in_the_table_has_a_name_and_nothing_else_has() {
        for path in rules::paths() {
            let (service, method) = names_of(&path).unwrap_or_else(|| panic!("{path} has no name"));
            assert_eq!(path, format!("/{service}/{method}"));
        }
        for other in ["", "/", "/a/b", "/spire.api.server.agent.v1.Agent/attestagent"] {
            assert_eq!(names_of(other), None, "{other}");
        }
    }
}
