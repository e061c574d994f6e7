//! Templates that become YAML when they are filled in.

/// What stands where a template will put something.
pub(super) const HOLE: &str = "\u{fffd}";

/// A template with holes where something is put in, and without what only steers it.
pub(super) fn filled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        let mut kept = String::new();
        let mut rest = line.trim_end_matches(['\n', '\r']);
        let mut holes = 0_usize;
        loop {
            if inside {
                match rest.split_once("}}") {
                    Some((_, after)) => (inside, rest) = (false, after),
                    None => break,
                }
            }
            match rest.split_once("{{") {
                Some((before, after)) => {
                    kept.push_str(before);
                    kept.push_str(HOLE);
                    holes += 1;
                    (inside, rest) = (true, after);
                }
                None => {
                    kept.push_str(rest);
                    break;
                }
            }
        }
        // A line with nothing but holes steers, or puts in whole blocks.
        let bare = kept.replace(HOLE, "");
        if !(holes > 0 && bare.trim().is_empty()) {
            out.push_str(&kept);
        }
        out.push('\n');
    }
    out
}
