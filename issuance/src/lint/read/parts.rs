//! What certificates, requests and revocation lists are made of: algorithms and extensions.

use crate::lint::element::{
    BOOLEAN, Element, Fields, GENERALIZED_TIME, OBJECT_IDENTIFIER, OCTET_STRING, Problem, SEQUENCE, UTC_TIME,
    constructed,
};
use crate::lint::finding::At;
use crate::lint::oid;

/// An AlgorithmIdentifier.
#[derive(Clone, Copy)]
pub(in crate::lint) struct Algorithm<'a> {
    pub(in crate::lint) element: Element<'a>,
    /// Content octets of the OID.
    pub(in crate::lint) oid: &'a [u8],
    pub(in crate::lint) parameters: Option<Element<'a>>,
}

/// Extensions, in their order.
#[derive(Default)]
pub(in crate::lint) struct Extensions<'a> {
    /// The SEQUENCE, if there is one.
    pub(in crate::lint) element: Option<Element<'a>>,
    pub(in crate::lint) list: Vec<Extension<'a>>,
}

/// One extension.
#[derive(Clone, Copy)]
pub(in crate::lint) struct Extension<'a> {
    pub(in crate::lint) element: Element<'a>,
    /// Content octets of the OID.
    pub(in crate::lint) oid: &'a [u8],
    /// As encoded; absent means that it is not critical.
    pub(in crate::lint) critical: Option<bool>,
    /// The OCTET STRING.
    pub(in crate::lint) value: Element<'a>,
}

impl<'a> Algorithm<'a> {
    pub(in crate::lint) fn read(element: Element<'a>) -> Result<Self, Problem> {
        let mut fields = element.fields_of(SEQUENCE)?;
        let oid = fields.expect(OBJECT_IDENTIFIER)?.content;
        let parameters = if fields.is_empty() {
            None
        } else {
            Some(fields.next()?)
        };
        fields.end()?;
        Ok(Self {
            element,
            oid,
            parameters,
        })
    }
}

impl<'a> Extensions<'a> {
    pub(in crate::lint) fn read(element: Element<'a>) -> Result<Self, Problem> {
        Ok(Self {
            element: Some(element),
            list: every(element.fields_of(SEQUENCE)?, Extension::read)?,
        })
    }

    /// The first extension with this OID.
    pub(in crate::lint) fn find(&self, oid: &[u8]) -> Option<&Extension<'a>> {
        self.list.iter().find(|extension| extension.oid == oid)
    }

    pub(in crate::lint) fn field_at(&self, offset: usize) -> Option<&'static str> {
        // They stand in the order of their bytes.
        let after = self
            .list
            .partition_point(|extension| extension.element.offset <= offset);
        let before = self.list.get(after.checked_sub(1)?)?;
        contains(&before.element, offset).then(|| before.at().field)
    }
}

impl<'a> Extension<'a> {
    fn read(element: Element<'a>) -> Result<Self, Problem> {
        let mut fields = element.fields_of(SEQUENCE)?;
        let oid = fields.expect(OBJECT_IDENTIFIER)?.content;
        let critical = fields.optional(BOOLEAN)?.map(|critical| critical.content != [0]);
        let value = fields.expect(OCTET_STRING)?;
        fields.end()?;
        Ok(Self {
            element,
            oid,
            critical,
            value,
        })
    }

    pub(in crate::lint) fn is_critical(&self) -> bool {
        self.critical == Some(true)
    }

    /// The element that its value is.
    pub(in crate::lint) fn inner(&self) -> Result<Element<'a>, Problem> {
        Element::only(self.value.content, self.value.inside())
    }

    pub(in crate::lint) fn at(&self) -> At<'a> {
        let field = oid::extension_name(self.oid).unwrap_or("extensions");
        At::field(field, self.element.offset).about(self.oid)
    }
}

/// What an EXPLICIT `[number]` holds, if it comes next.
pub(in crate::lint) fn explicit<'a>(
    fields: &mut Fields<'a>,
    number: u8,
) -> Result<Option<Element<'a>>, Problem> {
    fields
        .optional(constructed(number))?
        .map(|tagged| Element::only(tagged.content, tagged.inside()))
        .transpose()
}

/// Reads every element that is left.
pub(in crate::lint) fn every<'a, T>(
    mut fields: Fields<'a>,
    read: impl Fn(Element<'a>) -> Result<T, Problem>,
) -> Result<Vec<T>, Problem> {
    let mut found = Vec::new();
    while !fields.is_empty() {
        found.push(read(fields.next()?)?);
    }
    Ok(found)
}

pub(in crate::lint) fn time<'a>(fields: &mut Fields<'a>) -> Result<Element<'a>, Problem> {
    let time = fields.next()?;
    if matches!(time.tag, UTC_TIME | GENERALIZED_TIME) {
        Ok(time)
    } else {
        Err(Problem::new(time.offset, "it is no time"))
    }
}

pub(in crate::lint) fn at(
    fields: &[(&'static str, Option<Element<'_>>)],
    offset: usize,
) -> Option<&'static str> {
    fields
        .iter()
        .find(|(_, element)| element.as_ref().is_some_and(|element| contains(element, offset)))
        .map(|(name, _)| *name)
}

pub(in crate::lint) fn contains(element: &Element<'_>, offset: usize) -> bool {
    (element.offset..element.offset + element.der.len()).contains(&offset)
}
