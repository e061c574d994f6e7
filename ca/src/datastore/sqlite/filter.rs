//! Building the WHERE clause of a listing.

use std::fmt::Display;

use sqlx::{Encode, QueryBuilder, Sqlite, SqliteConnection, Type};

use super::codec::failed;
use crate::datastore::{PageRequest, PageToken, Result, Selector, SetFilter, SetMatch};

/// A table that holds a set for each row of another table.
#[derive(Clone, Copy)]
pub(super) struct SetTable {
    pub(super) name: &'static str,
    /// The column that says whose set a row belongs to.
    pub(super) owner: &'static str,
    /// The columns that make one member; the table has an index over them.
    pub(super) member: &'static [&'static str],
}

/// The conditions of a query, joined by AND as they come.
pub(super) struct Conditions {
    query: QueryBuilder<Sqlite>,
    any: bool,
}

impl Conditions {
    /// Conditions on `select`, which ends before its WHERE.
    pub(super) fn on(select: &'static str) -> Self {
        Self {
            query: QueryBuilder::new(select),
            any: false,
        }
    }

    fn and(&mut self, condition: impl Display) -> &mut QueryBuilder<Sqlite> {
        self.query.push(if self.any { " AND " } else { " WHERE " });
        self.any = true;
        self.query.push(condition)
    }

    /// A condition that binds nothing.
    pub(super) fn holds(&mut self, condition: &'static str) {
        self.and(condition);
    }

    /// `left` and then the value, such as `expires_at <`; no condition without a value.
    pub(super) fn compare<'t, T>(&mut self, left: &'static str, value: Option<T>)
    where
        T: Encode<'t, Sqlite> + Type<Sqlite>,
    {
        if let Some(value) = value {
            self.and(left).push(" ").push_bind(value);
        }
    }

    /// The set that `table` holds for the row `owner` matches `filter`; no condition without a filter.
    pub(super) fn set<T: Ord>(
        &mut self,
        owner: &'static str,
        table: SetTable,
        filter: Option<&SetFilter<T>>,
        bind: impl Fn(&mut QueryBuilder<Sqlite>, &T),
    ) {
        let Some(filter) = filter else { return };
        let SetTable {
            name,
            owner: set_owner,
            member,
        } = table;
        let query = self.and(format_args!("{owner} IN (SELECT had.{set_owner} FROM (VALUES "));
        for (index, item) in filter.items().iter().enumerate() {
            query.push(if index == 0 { "(" } else { ", (" });
            bind(query, item);
            query.push(")");
        }
        // A cross join fixes the order: each wanted member is looked up by the index over members. The plus sign
        // keeps SQLite from reading the whole table instead, in the order of the groups.
        query.push(format_args!(") AS wanted CROSS JOIN {name} AS had"));
        for (index, column) in member.iter().enumerate() {
            let joint = if index == 0 { "WHERE" } else { "AND" };
            query.push(format_args!(" {joint} had.{column} = wanted.column{}", index + 1));
        }
        query.push(format_args!(" GROUP BY +had.{set_owner}"));
        // What is grouped are the members that the filter names as well.
        let wanted = filter.items().len();
        let nothing_else = format!(
            "count(*) = (SELECT count(*) FROM {name} AS has WHERE has.{set_owner} = had.{set_owner})"
        );
        match filter.mode() {
            SetMatch::Any => {}
            SetMatch::Superset => {
                query.push(format_args!(" HAVING count(*) = {wanted}"));
            }
            SetMatch::Subset => {
                query.push(format_args!(" HAVING {nothing_else}"));
            }
            SetMatch::Exact => {
                query.push(format_args!(" HAVING count(*) = {wanted} AND {nothing_else}"));
            }
        }
        query.push(")");
    }

    /// The query as it stands.
    pub(super) fn finish(self) -> QueryBuilder<Sqlite> {
        self.query
    }

    /// The query with its order and one row more than the page has, which tells whether there is a next page.
    pub(super) fn page(mut self, order: &'static str, page: &PageRequest) -> QueryBuilder<Sqlite> {
        self.query
            .push(" ORDER BY ")
            .push(order)
            .push(" LIMIT ")
            .push_bind(i64::from(page.size()) + 1);
        self.query
    }
}

/// The page that `rows`, each with its position, make, when one more than the page's size was asked for.
pub(super) fn cut<T>(mut rows: Vec<(i64, T)>, page: &PageRequest) -> crate::datastore::Page<T> {
    let size = page.size() as usize;
    let more = rows.len() > size;
    rows.truncate(size);
    let next = if more {
        rows.last().map(|(position, _)| PageToken::after(*position))
    } else {
        None
    };
    crate::datastore::Page {
        items: rows.into_iter().map(|(_, item)| item).collect(),
        next,
    }
}

/// The position a page begins after.
pub(super) fn start(page: &PageRequest) -> Option<i64> {
    page.token().map(PageToken::position)
}

/// Binds a selector as a member of a set.
pub(super) fn bind_selector(query: &mut QueryBuilder<Sqlite>, selector: &Selector) {
    query
        .push_bind(&selector.kind)
        .push(", ")
        .push_bind(&selector.value);
}

/// Makes the set that `table` holds for `owner` be `members`.
pub(super) async fn replace_set<'a, T: 'a>(
    connection: &mut SqliteConnection,
    table: SetTable,
    owner: i64,
    members: impl IntoIterator<Item = &'a T>,
    bind: impl Fn(&mut QueryBuilder<Sqlite>, &T),
) -> Result<()> {
    /// Rows in one statement, so that it stays well below SQLite's limit on parameters.
    const GROUP: usize = 500;
    let SetTable {
        name,
        owner: set_owner,
        member,
    } = table;
    let mut delete = QueryBuilder::new(format!("DELETE FROM {name} WHERE {set_owner} = "));
    delete.push_bind(owner);
    delete
        .build()
        .execute(&mut *connection)
        .await
        .map_err(failed("replace a set"))?;
    let members: Vec<&T> = members.into_iter().collect();
    for group in members.chunks(GROUP) {
        let mut insert = QueryBuilder::new(format!(
            "INSERT INTO {name} ({set_owner}, {}) VALUES ",
            member.join(", ")
        ));
        for (index, item) in group.iter().enumerate() {
            insert
                .push(if index == 0 { "(" } else { ", (" })
                .push_bind(owner)
                .push(", ");
            bind(&mut insert, item);
            insert.push(")");
        }
        insert
            .build()
            .execute(&mut *connection)
            .await
            .map_err(failed("replace a set"))?;
    }
    Ok(())
}
