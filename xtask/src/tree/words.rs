//! Text, source and configuration.

use super::random::Random;

const COMMON: &str = "account address agent alert archive batch binding block branch buffer build cache call catalog \
                      channel child client column command config context counter cursor customer device document \
                      domain element entity entry error event factory field filter folder frame gateway group handler \
                      header history image index input invoice item job journal label layer layout level library limit \
                      line link list loader location lock manager mapping marker matrix member memory menu message \
                      method metric model module monitor name network node number object offer office option order \
                      output owner package page panel parent parser part path payment period person picture plan point \
                      policy pool position price printer process product profile program project proxy query queue \
                      range record region region registry release report request resource response result role route \
                      rule sample schedule schema scope screen script search section segment selector sequence server \
                      service session setting shape sheet shop signal site size slot source space stage state station \
                      status step stock store stream street string style subject summary supplier switch symbol system \
                      table target task team template terminal test text theme thread ticket timer title token topic \
                      total trace track transport tree trigger type unit update user value vector vendor version view \
                      volume warning widget window worker zone";

/// Bytes of text made once, from which files take pieces.
const SOUP: usize = 1 << 20;

/// What files are written with.
pub(super) struct Words {
    common: Vec<&'static str>,
    soup: Vec<u8>,
}

impl Words {
    pub(super) fn new() -> Self {
        let common: Vec<&str> = COMMON.split_whitespace().collect();
        let mut random = Random::new(0x50_0f);
        let mut soup = Vec::with_capacity(SOUP + 128);
        while soup.len() < SOUP {
            for _ in 0..6 + random.below(9) {
                soup.extend_from_slice(common[random.below(common.len() as u64) as usize].as_bytes());
                soup.push(b' ');
            }
            soup.push(b'\n');
        }
        Self { common, soup }
    }

    fn word(&self, random: &mut Random) -> &'static str {
        self.common[random.below(self.common.len() as u64) as usize]
    }

    /// A file's name without its extension.
    pub(super) fn name(&self, random: &mut Random) -> String {
        format!("{}_{}", self.word(random), self.word(random))
    }

    pub(super) fn text(&self, content: &mut Vec<u8>, size: u64, random: &mut Random) {
        let mut left = size as usize;
        while left > 0 {
            let at = random.below(SOUP as u64 / 2) as usize;
            let piece = left.min(SOUP / 2);
            content.extend_from_slice(&self.soup[at..at + piece]);
            left -= piece;
        }
    }

    /// A program of functions that compute nothing, one of them with a call into a library of cryptography if asked.
    pub(super) fn source(
        &self,
        content: &mut Vec<u8>,
        extension: &str,
        size: u64,
        with_cryptography: bool,
        random: &mut Random,
    ) {
        let (import, call) = if with_cryptography {
            cryptography(extension)
        } else {
            ("", "")
        };
        content.extend_from_slice(import.as_bytes());
        let mut call = Some(call);
        while content.len() < size as usize {
            let (function, value, other) = (self.word(random), self.word(random), self.word(random));
            let number = random.below(10_000);
            let body = call.take().unwrap_or_default();
            let text = match extension {
                "py" => format!(
                    "def {function}_{number}({value}, {other}=None):\n    # The {value} of the {other}.\n    if {value} > \
                     {number}:\n        return [{value}, \"{other} is {value}\"]\n{body}    total = {value} * 2 + \
                     {number}\n    return total\n\n"
                ),
                "go" => format!(
                    "// {function} has the {value} of the {other}.\nfunc {function}{number}({value} int, {other} string) \
                     (int, error) {{\n\tif {value} > {number} {{\n\t\treturn {value}, \
                     fmt.Errorf(\"{other} %d\", {value})\n\t}}\n{body}\treturn {value} * 2, nil\n}}\n\n"
                ),
                "js" | "ts" => format!(
                    "// The {value} of the {other}.\nfunction {function}{number}({value}, {other}) {{\n  if ({value} > \
                     {number}) {{\n    return [{value}, '{other} is ' + {value}];\n  }}\n{body}  return {value} * 2 + \
                     {number};\n}}\n\n"
                ),
                "rs" => format!(
                    "/// The {value} of the {other}.\nfn {function}_{number}({value}: u64, {other}: &str) -> u64 {{\n    \
                     if {value} > {number} {{\n        return {other}.len() as u64;\n    }}\n{body}    {value} * 2 + \
                     {number}\n}}\n\n"
                ),
                "java" => format!(
                    "    /** The {value} of the {other}. */\n    static int {function}{number}(int {value}, String \
                     {other}) throws Exception {{\n        if ({value} > {number}) {{\n            return \
                     {other}.length();\n        }}\n{body}        return {value} * 2 + {number};\n    }}\n\n"
                ),
                _ => format!(
                    "/* The {value} of the {other}. */\nstatic int {function}_{number}(int {value}, const char *{other}) \
                     {{\n    if ({value} > {number}) {{\n        return {other}[0];\n    }}\n{body}    return {value} * \
                     2 + {number};\n}}\n\n"
                ),
            };
            content.extend_from_slice(text.as_bytes());
        }
        if extension == "java" && with_cryptography {
            content.extend_from_slice(b"}\n");
        }
    }

    pub(super) fn configuration(
        &self,
        content: &mut Vec<u8>,
        size: u64,
        with_cryptography: bool,
        random: &mut Random,
    ) {
        if with_cryptography {
            content.extend_from_slice(
                b"server {\n    listen 443 ssl;\n    ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_ciphers \
                  ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256;\n}\n",
            );
        }
        while content.len() < size as usize {
            let (section, key, value) = (self.word(random), self.word(random), self.word(random));
            let number = random.below(100_000);
            let text = format!(
                "# The {value} of the {section}\n[{section}]\n{key} = {number}\n{value}.{key} = {section}\n"
            );
            content.extend_from_slice(text.as_bytes());
        }
    }
}

/// What to import, and a statement that calls it.
fn cryptography(extension: &str) -> (&'static str, &'static str) {
    match extension {
        "py" => (
            "import hashlib\n\n",
            "    digest = hashlib.sha256(b\"value\").hexdigest()\n",
        ),
        "go" => (
            "package main\n\nimport (\n\t\"crypto/sha256\"\n\t\"fmt\"\n)\n\n",
            "\tfmt.Println(sha256.Sum256([]byte(\"value\")))\n",
        ),
        "js" | "ts" => (
            "const crypto = require('crypto');\n\n",
            "  const digest = crypto.createHash('sha256').update('value').digest('hex');\n",
        ),
        "rs" => (
            "use sha2::{Digest, Sha256};\n\n",
            "    let digest = Sha256::digest(b\"value\");\n",
        ),
        "java" => (
            "import javax.crypto.Cipher;\n\nclass Sample {\n",
            "        Cipher cipher = Cipher.getInstance(\"AES/GCM/NoPadding\");\n",
        ),
        _ => (
            "#include <openssl/evp.h>\n\n",
            "    const EVP_CIPHER *cipher = EVP_aes_256_gcm();\n",
        ),
    }
}
