//! The operator at the server's console, in namespace `net`: forms, as a browser without script sends them.

use anyhow::{Context, Result, ensure};

use crate::directory::{LOG, NET, URL, client};
use crate::network::within;
use crate::process::log_text;

/// Somebody who is logged in.
pub(crate) struct Console {
    cookie: String,
    csrf: String,
}

impl Console {
    /// Follows the link that the server printed when it first started, and becomes its owner.
    ///
    /// # Errors
    /// When there is no such link, or it was followed before.
    pub(crate) fn set_up() -> Result<Self> {
        let log = log_text(LOG);
        let (_, link) = log.split_once("/set-up/").context("the server printed no link to set it up")?;
        let link: String = link.chars().take_while(char::is_ascii_alphanumeric).collect();
        let mut console = Self { cookie: String::new(), csrf: String::new() };
        let form = "organisation=Lab&name=Operator&login=operator&password=rain+on+the+roof";
        let cookie = console.post(&format!("/set-up/{link}"), form)?.context("no cookie for the operator")?;
        console.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let page = console.get("/console/me")?;
        let (_, csrf) = page.split_once("name=\"csrf\" value=\"").context("a page without a form")?;
        console.csrf = csrf.split('"').next().unwrap_or_default().to_owned();
        Ok(console)
    }

    /// Has clients join a network of this area only where they hear so many of it.
    ///
    /// # Errors
    /// When the server refuses it.
    pub(crate) fn set_needed(&self, area: &str, name: &str, needed: u32) -> Result<()> {
        let csrf = &self.csrf;
        self.post(&format!("/console/areas/{area}"), &format!("name={name}&needed={needed}&csrf={csrf}")).map(drop)
    }

    fn get(&self, path: &str) -> Result<String> {
        within(NET, || {
            let request = client()?.get(format!("{URL}{path}")).header("Accept", "text/html");
            let mut answer = request.header("Cookie", &self.cookie).call().with_context(|| format!("open {path}"))?;
            answer.body_mut().read_to_string().with_context(|| format!("read {path}"))
        })
    }

    /// Sends a form that has to be taken; returns the cookie that came with the answer.
    fn post(&self, path: &str, form: &str) -> Result<Option<String>> {
        within(NET, || {
            let request = client()?
                .post(format!("{URL}{path}"))
                .config()
                .max_redirects(0)
                .max_redirects_will_error(false)
                .http_status_as_error(false)
                .build()
                .header("Accept", "text/html")
                .header("Cookie", &self.cookie)
                .content_type("application/x-www-form-urlencoded");
            let answer = request.send(form).context("send a form")?;
            ensure!(answer.status() == 303, "the form was answered with {}", answer.status());
            let cookie = answer.headers().get("set-cookie").map(|cookie| cookie.to_str().map(str::to_owned));
            cookie.transpose().context("read a cookie")
        })
    }
}
