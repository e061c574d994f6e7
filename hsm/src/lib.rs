//! Who holds keys: the software store now, PKCS#11 tokens and TPMs next.
