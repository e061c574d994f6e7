//! Hybrid mTLS on rustls, the Workload API client and the live SVID source.
