//! What a server keeps, opened: database and master key; and the few things that the command line does with them while the
//! server may be running.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use welcome_proto::Secret;

use crate::app::unix_now;
use crate::config::{Config, MasterKey};
use crate::ids::{OrgId, TokenId};
use crate::key::{Key, org_place};
use crate::rights::Scopes;
use crate::seal::{NEXT_KEY, Seal};
use crate::store::{ApiToken, By, DATABASE, Kind, NewToken, Org, SealedRow, Store};
use crate::token;

/// Database and master key, with an organisation at least.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) seal: Seal,
}

impl Opened {
    /// Opens them; makes what is not there.
    ///
    /// # Errors
    /// If something cannot be read, written or understood, or another master key has sealed what is there.
    pub(crate) async fn open(config: &Config) -> Result<Self> {
        if config.data.join(NEXT_KEY).exists() {
            bail!("a change of the master key was begun and not finished: run `welcome-server rotate-key` again");
        }
        let seal = match &config.master_key {
            MasterKey::File(file) => Seal::read(file)?,
            MasterKey::InData => Seal::read_or_make(&config.data)?,
            MasterKey::Given(key) => Seal::parse(key.reveal()).context(NO_KEY)?,
        };
        let store = open_store(config).await?;
        if !store.was_started().await.context("failed to look for an organisation")? {
            let first = OrgId::random();
            let key = Key::make(&seal, &org_place(&first));
            store.first_start(&first, &key, unix_now()).await.context("failed to keep the first organisation")?;
        }
        let opened = Self { store, seal };
        opened.try_master_key().await?;
        Ok(opened)
    }

    /// Opens those of a server that was started before.
    ///
    /// # Errors
    /// If there is none, or as [`Self::open`].
    pub(crate) async fn open_existing(config: &Config) -> Result<Self> {
        require_existing(config)?;
        Self::open(config).await
    }

    /// The organisation of this name or id; without one, the only one there is.
    ///
    /// # Errors
    /// If there is none of that name, or several to choose from.
    pub(crate) async fn choose_org(&self, name: Option<&str>) -> Result<Org> {
        let mut orgs = self.store.orgs().await.context("failed to read the organisations")?;
        if let Some(name) = name {
            orgs.retain(|org| org.name == name || org.id.as_str() == name);
        }
        let listed: Vec<_> = orgs.iter().map(|org| format!("{} ({})", org.name, org.id)).collect();
        match (orgs.pop(), orgs.is_empty()) {
            (Some(org), true) => Ok(org),
            (None, _) => bail!("no organisation is called that"),
            (Some(_), false) => bail!("which organisation? give --org and one of: {}", listed.join(", ")),
        }
    }

    /// Whatever is sealed is sealed with one key, so one thing that opens is enough; `check` tries every one.
    async fn try_master_key(&self) -> Result<()> {
        let first = (String::new(), String::new());
        let sealed = self.store.sealed(Kind::Orgs, &first, 1).await.context("failed to read an organisation's key")?;
        for SealedRow { row, sealed } in sealed {
            let place = Kind::Orgs.place(&row).context("failed to read an organisation's key")?;
            Key::open(&self.seal, &place, &sealed).with_context(|| {
                format!("failed to open the key of {place}: is this the master key it was sealed with?")
            })?;
        }
        Ok(())
    }
}

/// The words for a master key of the environment that is none.
pub(crate) const NO_KEY: &str = "WELCOME_MASTER_KEY is no master key (64 hexadecimal digits)";

/// Looks that there is a server's data.
///
/// # Errors
/// If no server was ever started on these data.
pub(crate) fn require_existing(config: &Config) -> Result<()> {
    if config.database.is_none() && !config.data.join(DATABASE).exists() {
        bail!(
            "no server's data in {}: give the --data of the server, or start `welcome-server serve` first",
            config.data.display()
        );
    }
    Ok(())
}

/// The database alone.
///
/// # Errors
/// If it cannot be read, written or understood.
pub(crate) async fn open_store(config: &Config) -> Result<Store> {
    match &config.database {
        Some(url) => Store::open_postgres(url.reveal()).await,
        None => Store::open(&config.data).await,
    }
}

/// Makes one more enrolment token; the server may be running. Its administrator, who is on this machine, may vouch for the
/// router.
///
/// # Errors
/// If there is no such server, or it cannot be written.
pub async fn add_enrolment_token(config: &Config, org: Option<&str>, vouch: bool, ttl: Duration) -> Result<Secret> {
    let opened = Opened::open_existing(config).await?;
    let org = opened.choose_org(org).await?;
    let (token, now) = (token::new_token(), unix_now());
    let new = NewToken { org: &org.id, name: "", area: None, vouch, expires: now + ttl.as_secs() };
    let added = opened.store.add_enrolment_token(token::hash(token.reveal()), &new, by(now)).await;
    added.context("failed to keep the token")?;
    opened.store.close().await;
    Ok(token)
}

/// Makes one more API token, good until it is taken away; the server may be running.
///
/// # Errors
/// If there is no such server, or it cannot be written.
pub async fn add_api_token(config: &Config, org: Option<&str>, name: &str, scopes: Scopes) -> Result<Secret> {
    let opened = Opened::open_existing(config).await?;
    let org = opened.choose_org(org).await?;
    let (token, now) = (token::new_token(), unix_now());
    let kept = ApiToken {
        id: TokenId::random(),
        org: Some(org.id),
        name: name.to_owned(),
        scopes,
        created: now,
        expires: None,
        last_used: None,
    };
    let added = opened.store.add_api_token(&kept, token::hash(token.reveal()), by(now)).await;
    added.context("failed to keep the token")?;
    opened.store.close().await;
    Ok(token)
}

/// Adds an organisation with a key of its own; the server may be running.
///
/// # Errors
/// If there is no such server, or it cannot be written.
pub async fn add_organisation(config: &Config, name: &str) -> Result<OrgId> {
    let opened = Opened::open_existing(config).await?;
    let id = OrgId::random();
    let key = Key::make(&opened.seal, &org_place(&id));
    opened.store.add_org(&id, name, &key, by(unix_now())).await.context("failed to keep the organisation")?;
    opened.store.close().await;
    Ok(id)
}

/// Makes somebody who can log in an administrator; the server may be running.
///
/// # Errors
/// If there is no such server or nobody of that name, or it cannot be written.
pub async fn make_admin(config: &Config, login: &str) -> Result<()> {
    let opened = Opened::open_existing(config).await?;
    let found = opened.store.password_of(&login.to_lowercase()).await.context("failed to look for them")?;
    let Some((person, _)) = found else { bail!("nobody logs in as {login}") };
    opened.store.make_admin(&person, by(unix_now())).await.context("failed to note it")?;
    opened.store.close().await;
    Ok(())
}

/// Brings the tables up to this version.
///
/// # Errors
/// If there is no such server, another version made the tables, or they cannot be written.
pub async fn migrate(config: &Config) -> Result<()> {
    require_existing(config)?;
    open_store(config).await?.close().await;
    Ok(())
}

fn by(now: u64) -> By<'static> {
    By { who: "command line", at: now }
}
