//! Locations, read and written.

use super::*;

#[test]
fn locations_read_back_as_written() {
    for text in [
        "software:/var/lib/keys",
        "software:/var/lib/a b%3F?key-file=/etc/k%26k",
        "software:keys?passphrase-source=env:KEK",
        "pkcs11:token=ca?module-path=/m.so&pin-source=file%3A/run/pin",
        "tpm:device:/dev/tpmrm0?dir=/var/lib/keys&pcrs=sha256:0,7+sha384:14",
        "tpm:swtpm:host=127.0.0.1,port=2321?dir=keys&pcrs=sha256:7&placement=persistent\
         &authorization=password&owner-auth-source=env:OWNER&deadline=120",
    ] {
        let location: StoreLocation = text.parse().expect(text);
        assert_eq!(location.to_string(), text);
        assert_eq!(location.to_string().parse(), Ok(location), "{text}");
    }
}

#[test]
fn a_tpm_has_its_options() {
    let text = "tpm:swtpm:port=2321?dir=/k&placement=persistent&owner-auth-source=file:/o";
    let StoreLocation::Tpm(location) = text.parse().expect(text) else {
        panic!("a TPM");
    };
    assert_eq!(location.tcti.as_str(), "swtpm:port=2321");
    assert_eq!(location.placement, Placement::Persistent);
    assert_eq!(location.pcrs.to_string(), "sha256:7");
    let owner = SecretSource::File(PathBuf::from("/o"));
    assert_eq!(location.owner_auth_source, Some(owner));
    assert_eq!(location.deadline, TpmConfig::DEADLINE);
    for (said, seconds) in [("1", 1), ("10", 10), ("120", 120), ("3600", 3600)] {
        let text = format!("tpm:swtpm:port=2321?deadline={said}&dir=/k");
        let StoreLocation::Tpm(location) = text.parse().expect(&text) else {
            panic!("a TPM");
        };
        assert_eq!(location.deadline, Duration::from_secs(seconds));
        let again: StoreLocation = StoreLocation::Tpm(location.clone())
            .to_string()
            .parse()
            .expect(&text);
        assert_eq!(again, StoreLocation::Tpm(location));
    }
    for said in ["", "0", "3601", "-1", "+5", "1.5", "10s", "99999999999999999999"] {
        let text = format!("tpm:swtpm:port=2321?dir=/k&deadline={said}");
        let error = text.parse::<StoreLocation>().expect_err(&text).to_string();
        assert!(
            error.contains("deadline in a location is a number of seconds"),
            "{text}: {error}"
        );
    }
}

#[test]
fn plain_paths_have_a_slash() {
    for text in ["/k", "./k", "../k", "k/", "a/b:c"] {
        let location: StoreLocation = text.parse().expect(text);
        let expected = SoftwareLocation {
            dir: PathBuf::from(text),
            kek: None,
        };
        assert_eq!(location, StoreLocation::Software(expected));
    }
    for text in ["", "hsm1", "file:/k", "http://example.org/", "a\0/b"] {
        assert_eq!(
            text.parse::<StoreLocation>(),
            Err(LocationSyntaxError::Kind),
            "{text}"
        );
    }
}

#[test]
fn what_is_not_understood_is_refused_and_no_secret_repeated() {
    for (text, words) in [
        ("tpm:", "does not say how to reach a TPM"),
        ("tpm:device:/dev/tpmrm0", "dir=/var/lib/keys"),
        ("tpm:device:/dev/tpmrm0?dir=", "dir in a location is empty"),
        ("tpm:device:/dev/tpmrm0?dir=/k&pcrs=md5:1", "selects no PCRs"),
        (
            "tpm:device:/dev/tpmrm0?dir=/k&placement=x",
            "wrapped or persistent",
        ),
        (
            "tpm:device:/dev/tpmrm0?dir=/k&authorization=x",
            "session or password",
        ),
        (
            "tpm:device:/dev/tpmrm0?dir=/k&owner-auth-source=hunter2",
            "file:PATH",
        ),
        ("tpm:device:/dev/tpmrm0?dir=/k&dir=/l", "twice"),
        ("software:", "the directory"),
        ("software:/k?pass=hunter2", "no option \"pass\""),
        ("software:/k?passphrase-source=hunter2", "file:PATH"),
        (
            "software:/k?key-file=/f&passphrase-source=prompt",
            "one or the other",
        ),
        ("software:/k%2", "two hexadecimal digits"),
        ("software:/k%00", "control character"),
        ("/k\n", "control character"),
        ("software:/k%ff", "UTF-8"),
        ("pkcs11:token=ca", "module-path"),
        (
            "pkcs11:token=ca?module-path=/m.so&pin-value=hunter2",
            "pin-value is refused",
        ),
        ("pkcs11:token=ca;id=%01?module-path=/m.so", "a store is wanted"),
    ] {
        let error = text.parse::<StoreLocation>().expect_err(text).to_string();
        assert!(error.contains(words), "{text}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
