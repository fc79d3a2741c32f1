//! Settings: what an image of a container says of its program: the image's words, and over them those of `run`.

use crate::engine::config::ImageConfig;
use crate::engine::health;
use crate::engine::request::Request;

/// The image's config as this run has changed it, by Docker's rules: a variable that was asked for stands before those
/// of the image, and a command that was asked for takes the place of the image's.
pub fn settings(image: &ImageConfig, request: &Request) -> ImageConfig {
    let mut config = image.clone();
    let name = |pair: &str| pair.split_once('=').map_or(pair, |(name, _)| name).to_owned();
    let mut env: Vec<String> = Vec::new();
    for pair in &request.env {
        match env.iter_mut().find(|other| name(other) == name(pair)) {
            Some(other) => other.clone_from(pair),
            None => env.push(pair.clone()),
        }
    }
    let asked: Vec<String> = env.iter().map(|pair| name(pair)).collect();
    env.extend(image.env.iter().filter(|pair| !asked.contains(&name(pair))).cloned());
    config.env = env;
    if let Some(entrypoint) = &request.entrypoint {
        // what the image would have given to its own is nothing to this one
        config.entrypoint = Some(entrypoint.clone()).filter(|words| !words.is_empty());
        config.cmd = None;
    }
    if !request.command.is_empty() {
        config.cmd = Some(request.command.clone());
    }
    if !request.labels.is_empty() {
        config.labels = Some(request.labels.clone());
    }
    for port in &request.expose {
        config.exposed_ports.get_or_insert_default().entry(port.clone()).or_default();
    }
    if let Some(signal) = &request.stop_signal {
        config.stop_signal.clone_from(signal);
    }
    config.healthcheck = health::settings(request.health.as_ref(), image.healthcheck.as_ref());
    if let Some(user) = &request.user {
        config.user.clone_from(user);
    }
    if let Some(directory) = &request.workdir {
        config.working_dir = directory.display().to_string();
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_run_stand_over_the_images() {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let image = ImageConfig {
            env: words(&["PATH=/bin", "A=image"]),
            cmd: Some(words(&["sh"])),
            entrypoint: Some(words(&["/start"])),
            user: "web".into(),
            ..ImageConfig::default()
        };
        let request = Request {
            env: words(&["B=1", "A=run", "B=2"]),
            command: words(&["ls", "-l"]),
            workdir: Some("/srv".into()),
            ..Request::default()
        };
        let found = settings(&image, &request);
        assert_eq!(found.env, words(&["B=2", "A=run", "PATH=/bin"]));
        assert_eq!(found.cmd, Some(words(&["ls", "-l"])));
        assert_eq!((found.entrypoint, found.user), (Some(words(&["/start"])), "web".to_owned()));
        assert_eq!(found.working_dir, "/srv");
        assert_eq!(settings(&image, &Request::default()), image);
    }
}
