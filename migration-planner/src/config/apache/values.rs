//! Values with rules of their own: versions, and the keys that mod_md makes.

use std::collections::BTreeSet;

use crate::algorithm::{Function, alias, curve};
use crate::config::report::{shortened, version};
use crate::inventory::{Fragment, Reason};

/// A bare word sets, `+` adds, `-` takes away, from the left. Also whether the result hangs on what `all` is.
pub(super) fn protocols(args: &[String], line: u64, found: &mut Fragment) -> (BTreeSet<usize>, bool) {
    let mut on = BTreeSet::new();
    let mut open = false;
    for arg in args {
        let (sign, name) = match arg.split_at_checked(1) {
            Some((sign @ ("+" | "-"), name)) => (sign, name),
            _ => ("", arg.as_str()),
        };
        let these: BTreeSet<usize> = match version(name) {
            Some(at) => BTreeSet::from([at]),
            None if name.eq_ignore_ascii_case("all") => {
                open = true;
                BTreeSet::from([2, 3, 4, 5])
            }
            None => {
                found.unread(
                    Reason::Unsupported,
                    Some(line),
                    format!("the version {}", shortened(name.to_owned())),
                );
                continue;
            }
        };
        match sign {
            "+" => on.extend(these),
            "-" => on.retain(|version| !these.contains(version)),
            _ => on = these,
        }
    }
    (on, open)
}

/// Keys that mod_md makes: `RSA 3072 secp256r1`.
pub(super) fn made(args: &[String], line: u64, found: &mut Fragment) {
    for (at, arg) in args.iter().enumerate().take(16) {
        let here = found.here().line(line).symbol("MDPrivateKeys");
        let size = arg.parse::<u32>().ok();
        let name = match size {
            Some(bits) => format!("RSA-{bits}"),
            None if arg.eq_ignore_ascii_case("rsa")
                && args.get(at + 1).is_some_and(|next| next.parse::<u32>().is_ok()) =>
            {
                continue;
            }
            None => arg
                .strip_prefix("rsa")
                .or_else(|| arg.strip_prefix("RSA"))
                .map(|bits| format!("RSA-{}", bits.trim_start_matches('-')))
                .filter(|name| name.len() > 4)
                .unwrap_or_else(|| alias_of_key(arg)),
        };
        found.algorithm_spelt(&name, &[Function::Keygen], here);
    }
}

fn alias_of_key(name: &str) -> String {
    match curve::by_name(name) {
        Some(curve) => format!("ECDSA-{}", curve.name),
        None => alias::resolve(name).map_or_else(|| name.to_owned(), |algorithm| algorithm.name),
    }
}
