//! The wire: SPIRE server API, SPIFFE Workload API and Symbolon's additions.
