//! Networks that are not listed because their names ask for it. Of those only the id and the mark are kept.

use std::collections::BTreeMap;

use sqlx::{Any, AssertSqlSafe, Transaction};
use welcome_proto::{Mark, NetworkId, RouterId};

use super::{Result, Store, length, many, read_id};
use crate::ids::OrgId;

/// A network that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) router: RouterId,
    /// What people call the router; may be empty.
    pub(crate) router_name: String,
    pub(crate) network: NetworkId,
    /// `_nomap` or `_optout`.
    pub(crate) mark: String,
}

impl Store {
    /// Those of an organisation, or of one of its routers, in order of router and id.
    pub(crate) async fn left_out(&self, org: &OrgId, router: Option<&RouterId>, limit: usize) -> Result<Vec<LeftOut>> {
        // Apart, so that a router's are found by its key.
        let whose = if router.is_some() { "l.router = $2" } else { "$2 = ''" };
        let sql = format!(
            "SELECT l.router, r.name, l.id, l.mark FROM left_out l JOIN routers r ON r.id = l.router
             WHERE r.org = $1 AND {whose} ORDER BY l.router, l.id LIMIT $3"
        );
        let rows: Vec<(String, String, String, String)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(org.as_str())
            .bind(router.map_or("", RouterId::as_str))
            .bind(length(limit))
            .fetch_all(&self.read)
            .await?;
        let read = |(router, router_name, network, mark): (String, String, String, String)| {
            Ok(LeftOut {
                router: read_id(&router, "router id")?,
                router_name,
                network: read_id(&network, "network id")?,
                mark,
            })
        };
        rows.into_iter().map(read).collect()
    }
}

/// Makes these the ones that a router's last announce left out, each with its mark.
pub(super) async fn put_left_out(
    tx: &mut Transaction<'_, Any>,
    router: &RouterId,
    left_out: &BTreeMap<NetworkId, Mark>,
) -> Result<()> {
    sqlx::query("DELETE FROM left_out WHERE router = $1").bind(router.as_str()).execute(&mut **tx).await?;
    if left_out.is_empty() {
        return Ok(());
    }
    let sql = format!("INSERT INTO left_out (router, id, mark) VALUES {}", many(left_out.len(), 1, 2));
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(router.as_str());
    for (network, mark) in left_out {
        query = query.bind(network.as_str()).bind(mark.as_str());
    }
    query.execute(&mut **tx).await?;
    Ok(())
}
