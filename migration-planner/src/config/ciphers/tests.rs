use super::*;

fn names(text: &str) -> Vec<&'static str> {
    resolve(text).suites.iter().map(|suite| suite.openssl).collect()
}

#[test]
fn what_people_write_comes_to_what_openssl_3_makes_of_it() {
    // Each list is what `openssl ciphers -tls1_2 -s STRING:@SECLEVEL=0` of OpenSSL 3.0 says.
    for (text, expected) in [
        (
            "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL",
            "ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES128-GCM-SHA256 \
             ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305",
        ),
        (
            "ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA:ECDHE-RSA-AES128-GCM-SHA256",
            "ECDHE-RSA-AES128-GCM-SHA256 AES256-SHA",
        ),
        (
            "kRSA+AESGCM:+AES256:AES128-SHA",
            "AES128-GCM-SHA256 AES256-GCM-SHA384 AES128-SHA",
        ),
        (
            "AES128+kRSA:-SHA256:!SHA1:AES256+AESCCM8+kRSA",
            "AES128-GCM-SHA256 AES128-CCM8 AES128-CCM AES256-CCM8",
        ),
        (
            "SUITEB128",
            "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384",
        ),
        (
            "aDSS+AESGCM:@STRENGTH",
            "DHE-DSS-AES256-GCM-SHA384 DHE-DSS-AES128-GCM-SHA256",
        ),
        ("kPSK+AESGCM", "PSK-AES256-GCM-SHA384 PSK-AES128-GCM-SHA256"),
        ("!ALL", ""),
    ] {
        assert_eq!(names(text).join(" "), expected, "{text}");
    }
}

#[test]
fn high_is_what_it_is_in_openssl_3_without_what_has_to_be_set_up() {
    let high = names("HIGH:!aNULL:!MD5");
    assert_eq!(high.first(), Some(&"ECDHE-ECDSA-AES256-GCM-SHA384"));
    assert!(high.contains(&"AES128-SHA"), "static RSA is in it");
    assert!(
        !high
            .iter()
            .any(|name| name.contains("PSK") || name.starts_with("SRP") || name.contains("DES"))
    );
    assert!(resolve("HIGH").by_keyword);
    assert!(!resolve("AES128-SHA:!aNULL").by_keyword);
    // Whoever names the weak ones gets them, whether a build has them or not.
    assert!(names("3DES+kRSA").contains(&"DES-CBC3-SHA"));
    assert!(names("RC4-SHA:HIGH").first() == Some(&"RC4-SHA"));
}

#[test]
fn what_only_the_machine_knows_is_not_guessed() {
    for text in [
        "DEFAULT",
        "DEFAULT:!3DES",
        "PROFILE=SYSTEM",
        "AES128-SHA:DEFAULT@SECLEVEL=2",
        "${CIPHERS}",
    ] {
        let resolved = resolve(text);
        assert!(
            resolved.suites.is_empty() && resolved.unresolved.is_some(),
            "{text}: {resolved:?}"
        );
    }
    let resolved = resolve("AES128-SHA:FROBNICATE:!WHATEVER:TLS_AES_128_GCM_SHA256:@SECLEVEL=2:@WHAT");
    assert_eq!(resolved.unknown, ["FROBNICATE", "@WHAT"]);
    assert_eq!(resolved.no_effect, ["TLS_AES_128_GCM_SHA256"]);
    assert_eq!(resolved.level.as_deref(), Some("2"));
    assert_eq!(
        names("[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:AES128-SHA").len(),
        3
    );
}
