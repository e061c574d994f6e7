//! What URIs are read as, and which are refused.

use proptest::prelude::*;

use super::*;

fn parse(uri: &str) -> Pkcs11Uri {
    uri.parse().expect(uri)
}

fn refused(uri: &str) -> UriError {
    uri.parse::<Pkcs11Uri>().expect_err(uri)
}

#[test]
fn everything_that_we_understand_is_read() {
    let uri = parse(
        "pkcs11:token=The%20Software%20Token;serial=4d%2F1;manufacturer=SoftHSM%20project;model=v2;slot-id=17;\
         object=symbolon%2fexample.org;id=%01%ffA;type=private\
         ?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/secrets/pin",
    );
    assert_eq!(uri.token.label.as_deref(), Some("The Software Token"));
    assert_eq!(uri.token.serial.as_deref(), Some("4d/1"));
    assert_eq!(uri.token.manufacturer.as_deref(), Some("SoftHSM project"));
    assert_eq!(uri.token.model.as_deref(), Some("v2"));
    assert_eq!(uri.token.slot, Some(17));
    assert_eq!(uri.object.as_deref(), Some("symbolon/example.org"));
    assert_eq!(uri.id.as_deref(), Some(&[0x01, 0xff, b'A'][..]));
    assert_eq!(uri.key_id().expect("id").expect("id").as_str(), "01ff41");
    assert_eq!(uri.object_type, Some(ObjectType::Private));
    assert_eq!(
        uri.module_path.as_deref(),
        Some(std::path::Path::new("/usr/lib/softhsm/libsofthsm2.so"))
    );
    assert_eq!(
        uri.pin_source,
        Some(SecretSource::File("/run/secrets/pin".into()))
    );
    assert_eq!(parse(&uri.to_string()), uri);
}

#[test]
fn the_empty_uri_selects_whatever_there_is() {
    assert_eq!(parse("pkcs11:"), Pkcs11Uri::default());
    assert_eq!(parse("PKCS11:token=a").token.label.as_deref(), Some("a"));
    assert!(Pkcs11Uri::is_meant("pkcs11:x") && !Pkcs11Uri::is_meant("hsm1"));
    assert!(!Pkcs11Uri::is_meant("pkcs1\u{e9}"));
}

#[test]
fn a_pin_in_a_uri_is_refused_and_never_repeated() {
    for uri in [
        "pkcs11:token=a?pin-value=hunter2",
        "pkcs11:?pin-value=hunter2",
        "pkcs11:token=a?module-path=/x&pin-value=hunter2",
        "pkcs11:nonsense?nonsense&pin-value=hunter2",
        "pkcs11:token=a?pin-value",
    ] {
        assert_eq!(refused(uri), UriError::PinValue, "{uri}");
    }
    for uri in [
        "pkcs11:pin-value=hunter2",
        "pkcs11:token=a?pin-source=hunter2",
        "pkcs11:token=a;hunter2",
        "pkcs11:slot-id=hunter2",
        "hunter2",
    ] {
        let error = refused(uri);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn sources_of_pins_are_files_variables_and_people() {
    let source = |value: &str| {
        parse(&format!("pkcs11:?pin-source={value}"))
            .pin_source
            .expect(value)
    };
    for file in ["/run/pin", "file:/run/pin", "file:///run/pin"] {
        assert_eq!(source(file), SecretSource::File("/run/pin".into()));
    }
    assert_eq!(source("env:PIN"), SecretSource::Environment("PIN".into()));
    assert_eq!(source("prompt"), SecretSource::Prompt);
    // RFC 7512 allows a command here; we do not.
    for bad in ["%7Ccat%20/run/pin", "|cat", "", "http://example.org/pin"] {
        let error = refused(&format!("pkcs11:?pin-source={bad}"));
        assert!(
            matches!(
                error,
                UriError::Value {
                    name: "pin-source",
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for (uri, part) in [
        ("pkcs11:library-version=3", "library-version"),
        ("pkcs11:Token=a", "Token"),
        ("pkcs11:x-vendor=1", "x-vendor"),
        ("pkcs11:token=a?module-name=softhsm2", "module-name"),
        ("pkcs11:token=a;module-path=/x", "module-path"),
        ("pkcs11:token=a?token=b", "\"token\""),
        ("pkcs11:token=a;token=b", "twice"),
        ("pkcs11:token", "name=value"),
        ("pkcs11:token=a;", "name=value"),
        ("pkcs11:;token=a", "name=value"),
        ("pkcs11:token=a b", "name=value"),
        ("pkcs11:token=%4", "name=value"),
        ("pkcs11:token=%zz", "name=value"),
        ("pkcs11:token=%+1", "name=value"),
        ("pkcs11:token=a#fragment", "name=value"),
        ("pkcs11:token=%ff", "UTF-8"),
        ("pkcs11:token=%00", "control"),
        ("pkcs11:token=", "empty"),
        ("pkcs11:slot-id=0x10", "decimal"),
        ("pkcs11:slot-id=%2B1", "decimal"),
        ("pkcs11:slot-id=99999999999999999999999", "decimal"),
        ("pkcs11:type=cert", "private or public"),
        ("token=a", "begins with pkcs11:"),
        ("pkcs11", "begins with pkcs11:"),
    ] {
        let error = refused(uri).to_string();
        assert!(error.contains(part), "{uri}: {error}");
    }
    let long = format!("pkcs11:token={}", "a".repeat(MAX_LEN));
    assert_eq!(refused(&long), UriError::Length);
    for id in ["", &"%00".repeat(65)] {
        parse(&format!("pkcs11:id={id}")).key_id().expect_err("length");
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        label in proptest::option::of("[^\\p{Cc}]{1,32}"),
        serial in proptest::option::of("[ -~]{1,16}"),
        slot: Option<u64>,
        id in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..80)),
        path in proptest::option::of("/[^\\p{Cc}]{0,40}"),
    ) {
        let uri = Pkcs11Uri {
            token: TokenSelector { label, serial, slot, ..TokenSelector::default() },
            id,
            module_path: path.map(PathBuf::from),
            ..Pkcs11Uri::default()
        };
        prop_assert_eq!(parse(&uri.to_string()), uri);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,80}") {
        let _ = text.parse::<Pkcs11Uri>();
        let _ = format!("pkcs11:{text}").parse::<Pkcs11Uri>();
    }
}
