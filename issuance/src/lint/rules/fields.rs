//! The fields of certificates and of the names in them.

use crate::lint::rule::{Rule, Severity};

rules! {
    STRUCTURE = Error "rfc5280/structure", "RFC 5280, section 4.1",
        "a certificate has the structure of the standard", "issue it again with software that follows RFC 5280";
    SIGNATURE_ALGORITHMS = Error "rfc5280/signature-algorithms", "RFC 5280, section 4.1.1.2",
        "the algorithm outside of the signed part is the one inside, byte for byte",
        "do not trust it; whoever issued it must issue it again";
    VERSION = Error "rfc5280/version", "RFC 5280, section 4.1.2.1",
        "the version is 3 if there are extensions, at least 2 with unique identifiers, and left out for 1",
        "set the version to 3 (encoded as 2)";
    SERIAL_POSITIVE = Error "rfc5280/serial-positive", "RFC 5280, section 4.1.2.2",
        "the serial number is positive", "issue it again with a positive serial number";
    SERIAL_LENGTH = Error "rfc5280/serial-length", "RFC 5280, section 4.1.2.2",
        "the serial number has at most 20 bytes", "use fewer than 160 bits";
    ISSUER_EMPTY = Error "rfc5280/issuer-empty", "RFC 5280, section 4.1.2.4", "the issuer has a name",
        "give the authority a subject, and issue again";
    TIME_TYPE = Error "rfc5280/time-type", "RFC 5280, section 4.1.2.5",
        "times are UTCTime through 2049 and GeneralizedTime from 2050 on", "encode the time in the type of its year";
    VALIDITY_ORDER = Error "rfc5280/validity-order", "RFC 5280, section 4.1.2.5",
        "the validity does not end before it begins", "correct the times";
    SUBJECT_EMPTY = Error "rfc5280/subject-empty", "RFC 5280, section 4.1.2.6",
        "an authority has a subject", "give it one that no other authority has";
    SUBJECT_OR_SAN = Error "rfc5280/subject-or-san", "RFC 5280, sections 4.1.2.6 and 4.2.1.6",
        "without a subject there are alternative names, and they are critical",
        "mark subjectAltName critical, or give the certificate a subject";
    UNIQUE_ID = Error "rfc5280/unique-id", "RFC 5280, section 4.1.2.8", "there are no unique identifiers",
        "leave them out";
    NAME_STRUCTURE = Error "rfc5280/name-structure", "RFC 5280, section 4.1.2.4",
        "a name is a sequence of sets of attributes, none of them empty", "encode the name again";
    NAME_LENGTH = Error "rfc5280/name-length", "RFC 5280, appendix A.1",
        "the values of a name's attributes are not empty and within their upper bounds", "shorten the value";
    NAME_TYPE = Warning "rfc5280/name-type", "RFC 5280, section 4.1.2.4",
        "text in names is PrintableString or UTF8String", "use UTF8String";
    COUNTRY = Error "rfc5280/country", "RFC 5280, appendix A.1",
        "a country is a PrintableString of two letters", "write the two letters of ISO 3166";
    PRINTABLE_ATTRIBUTE = Error "rfc5280/printable-attribute", "RFC 5280, appendix A.1",
        "serialNumber and dnQualifier are PrintableStrings", "encode the value as PrintableString";
}
