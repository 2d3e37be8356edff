//! The same tests on PostgreSQL: `with-postgres cargo nextest run …` (of testkit) tells them where one is.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use welcome_proto::Secret;

/// The database that goes with a data directory: a server that starts again there finds it again.
pub(crate) async fn database(data: &Path) -> Option<Secret> {
    let server = std::env::var("WELCOME_TEST_POSTGRES").ok()?;
    let mut hash = DefaultHasher::new();
    data.hash(&mut hash);
    let name = format!("test_{:016x}", hash.finish());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    // That it is there already is as good.
    drop(sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await);
    connection.close().await.unwrap();
    let (before, after) = server.split_once("/postgres?").unwrap();
    Some(Secret::new(format!("{before}/{name}?{after}")))
}
