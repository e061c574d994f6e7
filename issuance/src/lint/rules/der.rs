//! What can be read at all, and whether it is DER.

use crate::lint::rule::{Rule, Severity};

rules! {
    BLOCK = Error "input/block", "RFC 7468, section 3", "every PEM block is whole",
        "copy the block again, from its BEGIN line to its END line";
    ENTRY = Error "input/bundle-entry", "X509-SVID, section 6.1",
        "an X.509 authority in a bundle is one base64 DER certificate in x5c",
        "write the entry's x5c with exactly one certificate";
    NOT_LINTED = Notice "input/not-linted", "Symbolon, linting",
        "what is no certificate, request or revocation list is passed over", "nothing; there are no rules for it here";
    MANY = Error "input/many-findings", "Symbolon, linting", "a document has less than 1000 findings",
        "mend what is listed, and lint again";
    DOCUMENTS = Error "input/many-documents", "Symbolon, linting", "an input has at most 4096 documents",
        "split the input; what is not listed was not looked at";
    TRUNCATED = Error "der/truncated", "X.690, section 8.1",
        "every element is as long as its length says", "copy the file again; if it is whole, encode it again";
    INDEFINITE_LENGTH = Error "der/indefinite-length", "X.690, section 10.1", "lengths are definite",
        "encode it as DER instead of BER";
    LENGTH = Error "der/length", "X.690, section 10.1", "lengths take the fewest bytes",
        "encode it as DER instead of BER";
    TRAILING = Error "der/trailing-bytes", "X.690, section 8.1", "nothing follows an element that stands alone",
        "cut off what follows; whoever relies on it reads something else than you";
    CONSTRUCTED_STRING = Error "der/constructed-string", "X.690, section 10.2", "strings are not made of pieces",
        "encode it as DER instead of BER";
    DEPTH = Error "der/depth", "Symbolon, linting", "elements are nested no deeper than 24",
        "no certificate needs this; do not use it";
    BOOLEAN = Error "der/boolean", "X.690, section 11.1", "a BOOLEAN is one byte, 00 or FF", "write FF for TRUE";
    INTEGER = Error "der/integer", "X.690, section 8.3.2", "an INTEGER has no superfluous leading byte",
        "leave out leading 00 or FF bytes that the sign does not need";
    BIT_STRING = Error "der/bit-string", "X.690, sections 8.6.2 and 11.2.1",
        "a BIT STRING says how many bits of its last byte are unused, and they are zeros",
        "write the number of unused bits, at most 7, and set them to zero";
    NAMED_BITS = Error "der/named-bits", "X.690, section 11.2.2",
        "a list of named bits ends with its last set bit", "leave out trailing zero bits";
    NULL = Error "der/null", "X.690, section 8.8.2", "a NULL is empty", "write 05 00";
    OID = Error "der/oid", "X.690, section 8.19.2", "the arcs of an OBJECT IDENTIFIER have no padding and end",
        "encode the identifier again";
    STRING = Error "der/string", "X.680, section 41", "a string has only the characters of its type",
        "use UTF8String for other characters";
    TIME = Error "der/time", "RFC 5280, sections 4.1.2.5.1 and 4.1.2.5.2",
        "times are YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ, and exist", "write the time in UTC with seconds and Z";
    SET_ORDER = Error "der/set-order", "X.690, section 11.6", "the elements of a SET OF are sorted",
        "sort them by their encodings";
    DEFAULT = Error "der/default", "X.690, section 11.5", "a DEFAULT value is left out", "leave it out";
}
