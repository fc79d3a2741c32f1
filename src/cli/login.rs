//! `stepbox login` and `stepbox logout`: names and passwords for registries, where Docker keeps them.

mod prompt;

use std::io::Read;
use std::process::ExitCode;

use clap::Subcommand;

use super::connection;
use crate::engine::registry::credentials::{Credentials, Kept, Login, Secret};
use crate::engine::registry::{Client, credentials_key};

/// The verbs.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum Verb {
    /// Log in to a registry
    Login(LoginArgs),
    /// Log out of a registry
    Logout(LogoutArgs),
}

// The options of `login`.
#[derive(Debug, clap::Args)]
pub(super) struct LoginArgs {
    /// The name
    #[arg(short, long)]
    username: Option<String>,
    /// The password; better is --password-stdin, because all users of a machine see what stands on a command line
    #[arg(short, long, conflicts_with = "password_stdin", hide_default_value = true)]
    password: Option<Hidden>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    connection: connection::Connection,
    /// The registry; Docker's own where it is left out
    #[arg(default_value = "docker.io", hide_default_value = true)]
    server: String,
}

/// A secret from the command line, which nothing shows.
#[derive(Clone)]
struct Hidden(String);

impl From<&str> for Hidden {
    fn from(text: &str) -> Hidden {
        Hidden(text.to_owned())
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

// The options of `logout`.
#[derive(Debug, clap::Args)]
pub(super) struct LogoutArgs {
    /// The registry; Docker's own where it is left out
    #[arg(default_value = "docker.io", hide_default_value = true)]
    server: String,
}

impl Verb {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        match self {
            Verb::Login(args) => args.main()?,
            Verb::Logout(args) => args.main()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl LoginArgs {
    fn main(mut self) -> anyhow::Result<()> {
        let registry = registry(&self.server);
        let (client, credentials) = (self.connection.client()?, credentials()?);
        let known = credentials.get(&registry)?;
        if self.password.is_some() {
            complain!("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
        }
        let nothing_said = self.username.is_none() && self.password.is_none() && !self.password_stdin;
        if let Some(known) = known.clone().filter(|_| nothing_said) {
            println!("Authenticating with existing credentials...");
            match enter(&client, &credentials, &registry, known) {
                Ok(()) => return Ok(()),
                Err(error) => complain!("Login did not succeed, error: {error}"),
            }
        }
        let user = match self.username.take() {
            Some(user) => user,
            None if self.password_stdin => anyhow::bail!("Must provide --username with --password-stdin"),
            None => prompt::user(known.as_ref().map(|known| known.user.as_str()).unwrap_or_default())?,
        };
        let password = match self.password.take() {
            Some(Hidden(password)) => password,
            None if self.password_stdin => {
                let mut text = String::new();
                std::io::stdin().lock().read_to_string(&mut text)?;
                let text = text.strip_suffix('\n').unwrap_or(&text);
                text.strip_suffix('\r').unwrap_or(text).to_owned()
            }
            None => prompt::password()?,
        };
        anyhow::ensure!(
            !user.is_empty() && !user.contains(':'),
            "a user name is not empty and holds no colon"
        );
        anyhow::ensure!(!password.is_empty(), "password is empty");
        enter(&client, &credentials, &registry, Login { user, secret: Secret::Password(password) })
    }
}

/// Asks the registry, and keeps what it accepts.
fn enter(client: &Client, credentials: &Credentials, registry: &str, login: Login) -> anyhow::Result<()> {
    let accepted = client.login(registry, login)?;
    if let Kept::File(path) = accepted.keep(registry, credentials)? {
        complain!(
            "WARNING! Your password will be stored unencrypted in {}.\n\
             Configure a credential helper to remove this warning. See\n\
             https://docs.docker.com/engine/reference/commandline/login/#credentials-store\n",
            path.display()
        );
    }
    println!("Login Succeeded");
    Ok(())
}

impl LogoutArgs {
    fn main(self) -> anyhow::Result<()> {
        let (registry, credentials) = (registry(&self.server), credentials()?);
        match credentials.forget(&registry)? {
            true => println!("Removing login credentials for {}", credentials_key(&registry)),
            false => println!("Not logged in to {}", credentials_key(&registry)),
        }
        Ok(())
    }
}

/// The registry's host, also of an address as people paste it.
fn registry(server: &str) -> String {
    let bare = server.strip_prefix("https://").or(server.strip_prefix("http://")).unwrap_or(server);
    match bare.split('/').next().unwrap_or_default() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        host => host.to_owned(),
    }
}

fn credentials() -> anyhow::Result<Credentials> {
    let found = connection::credentials();
    found.ok_or_else(|| anyhow::anyhow!("there is no place for credentials: set HOME or DOCKER_CONFIG"))
}
