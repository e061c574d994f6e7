//! The node agent: attests, keeps SVIDs fresh, serves the Workload API.
