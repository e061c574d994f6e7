//! `symbolon token`.

use anyhow::Result;
use serde::Serialize;
use symbolon_ca::views::TokenView;
use symbolon_pki::time::rfc3339;

use super::server::connect;
use super::spiffe_id;
use crate::args::{Common, Token};
use crate::output::{Show, facts};

pub(crate) async fn run(common: &Common, command: Token) -> Result<()> {
    let Token::Create {
        ttl,
        spiffe_id: alias,
    } = command;
    let alias = alias.as_deref().map(spiffe_id).transpose()?;
    let made = connect(common)
        .await?
        .create_join_token(ttl.0, alias.as_ref())
        .await?;
    common.output.print(&Made(made))
}

#[derive(Serialize)]
#[serde(transparent)]
struct Made(TokenView);

impl Show for Made {
    fn text(&self) -> String {
        let mut rows = vec![
            ("token", self.0.token.to_string()),
            ("agent", self.0.agent_id.clone()),
        ];
        rows.extend(self.0.expires_at.map(|at| ("use before", rfc3339(at))));
        facts(&rows)
    }
}
