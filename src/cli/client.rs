//! Speaks to a server as any client does, and turns its problem documents into what a person at a shell reads.

use std::io::Read;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::http::{Method, Request, Response};
use ureq::{Agent, Body, SendBody};

use super::{Exit, Failure};
use crate::settings::url;

/// What may stand in a path as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

pub struct Client {
    agent: Agent,
    base: String,
    token: Option<String>,
}

/// An answer that is not a refusal.
pub struct Answer(Response<Body>);

impl Client {
    /// The token never comes from a flag: other processes see those.
    pub fn new(server: &str, token: Option<String>) -> Result<Self, Failure> {
        // A port that is none would be taken for none, and the token go to another server of that host.
        let base = url(server.trim_end_matches('/')).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{server}` is not the URL of a server"))
                .help("for example --server http://127.0.0.1:8080")
        })?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(10)))
            .proxy(None)
            .build();
        Ok(Self {
            agent: config.into(),
            base,
            token,
        })
    }

    pub fn get(&self, target: &str) -> Result<Answer, Failure> {
        self.send(Method::GET, target, None, SendBody::none())
    }

    pub fn delete(&self, target: &str) -> Result<Answer, Failure> {
        self.send(Method::DELETE, target, None, SendBody::none())
    }

    pub fn post(&self, target: &str, content_type: &str, body: &[u8]) -> Result<Answer, Failure> {
        let mut body = body;
        let length = body.len();
        self.send(
            Method::POST,
            target,
            Some((content_type, Some(length))),
            SendBody::from_reader(&mut body),
        )
    }

    /// A body that is read while it is sent, however long it is.
    pub fn post_all(&self, target: &str, content_type: &str, body: &mut dyn Read) -> Result<Answer, Failure> {
        let content = Some((content_type, None));
        self.send(Method::POST, target, content, SendBody::from_reader(body))
    }

    fn send(
        &self,
        method: Method,
        target: &str,
        content: Option<(&str, Option<usize>)>,
        body: SendBody<'_>,
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(method).uri(format!("{}{target}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some((content_type, length)) = content {
            request = request.header("content-type", content_type);
            if let Some(length) = length {
                request = request.header("content-length", length);
            }
        }
        let request = request
            .body(body)
            .map_err(|error| Failure::new(Exit::Usage, format!("this cannot be asked of `{}`: {error}", self.base)))?;
        let response = self
            .agent
            .run(request)
            .map_err(|error| Failure::new(Exit::Unreachable, format!("no answer from `{}`: {error}", self.base)))?;
        if response.status().is_success() {
            Ok(Answer(response))
        } else {
            Err(refusal(response))
        }
    }
}

impl Answer {
    pub fn json(self) -> Result<Value, Failure> {
        parse(&self.text()?)
    }

    /// As the server wrote it.
    pub fn text(mut self) -> Result<String, Failure> {
        let body = self.0.body_mut().with_config().limit(u64::MAX).read_to_string();
        body.map_err(|error| unreadable(&error.to_string()))
    }

    /// The body as it comes.
    pub fn reader(self) -> impl Read {
        self.0.into_body().into_with_config().limit(u64::MAX).reader()
    }
}

pub fn parse(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| unreadable(&error.to_string()))
}

fn unreadable(cause: &str) -> Failure {
    Failure::new(Exit::Unreachable, format!("the answer cannot be read: {cause}"))
}

/// A selector as it stands in a target, whatever it has in it.
pub fn encoded(selector: &str) -> String {
    utf8_percent_encode(selector, PATH).to_string()
}

/// The problem document, or what else the server said.
fn refusal(mut response: Response<Body>) -> Failure {
    let status = response.status();
    let text = response.body_mut().read_to_string().unwrap_or_default();
    let problem: Value = serde_json::from_str(&text).unwrap_or_default();
    let exit = if status.as_u16() == 503 {
        Exit::Unreachable
    } else {
        Exit::Refused
    };
    let Some(detail) = problem["detail"].as_str() else {
        return Failure::new(exit, format!("the server answered {status}"));
    };
    let mut help = Vec::new();
    for (member, word) in [("pointer", "at"), ("parameter", "parameter")] {
        if let Some(text) = problem[member].as_str().filter(|text| !text.is_empty()) {
            help.push(format!("{word} `{text}`"));
        }
    }
    if let (Some(name), value) = (problem["limit"]["name"].as_str(), &problem["limit"]["value"]) {
        help.push(format!("the limit `limits.{name}` is {value}"));
    }
    help.extend(problem["help"].as_str().map(str::to_owned));
    let mut failure = Failure::new(
        exit,
        format!("{detail} ({})", problem["code"].as_str().unwrap_or("no code")),
    );
    failure.help = (!help.is_empty()).then(|| help.join("\n"));
    failure.line = problem["line"].as_u64();
    failure.committed = problem["committedLines"].as_u64();
    let span = &problem["selector"];
    failure.span = span["start"]
        .as_u64()
        .zip(span["end"].as_u64())
        .map(|(start, end)| (start as usize, end as usize));
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_a_whole_url() {
        for (server, fits) in [
            ("http://127.0.0.1:8080", true),
            ("https://seats.example/below/", true),
            ("http://[::1]:8080/", true),
            ("http://127.0.0.1:2220O", false),
            ("http://127.0.0.1:65536", false),
            ("http://127.0.0.1:-1", false),
            ("http://127.0.0.1:", false),
            ("http://127.0.0.1:/", false),
            ("http://", false),
            ("http://me@127.0.0.1", false),
            ("http://127.0.0.1:80:80", false),
            ("http://127.0.0.1?x", false),
            ("127.0.0.1:8080", false),
        ] {
            let client = Client::new(server, None);
            let exit = client.err().map(|failure| failure.exit);
            assert_eq!(exit, (!fits).then_some(Exit::Usage), "{server}");
        }
    }

    #[test]
    fn a_selector_goes_into_a_target() {
        for (selector, target) in [
            ("/Organization", "/Organization"),
            (
                "/Organization[@name='A/B?c d']",
                "/Organization%5B%40name%3D%27A/B%3Fc%20d%27%5D",
            ),
            ("/License{count}", "/License%7Bcount%7D"),
            (
                "/Profile[@displayName~'é']",
                "/Profile%5B%40displayName~%27%C3%A9%27%5D",
            ),
        ] {
            assert_eq!(encoded(selector), target);
        }
    }
}
