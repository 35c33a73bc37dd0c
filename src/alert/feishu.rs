//! A custom bot of a Feishu (Lark) group, which gets interactive cards of structure version 2.0.
//!
//! Source: the open platform's pages on custom bots and on card JSON 2.0. With signature checks
//! on, `sign` is made of the time and the secret. An answer of status 200 may still be a refusal:
//! its `code` must be 0. A bot may send 100 messages a minute and 5 a second; more is code 11232.
//! A body has at most 20 kB. Buttons of a custom bot can only open pages, so an answer needs a
//! page, or the command printed beside it. Texts are `plain_text`: nothing in them is markup.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Channel, ChannelKind, RetryAdvice, SendFailure, Surroundings,
    hook::{Hook, HookBlock, post, refused},
    sign, words,
};
use crate::{
    base::Secret,
    model::{
        alert::{Alert, Severity},
        settings::{Block, Declared},
    },
};

/// Largest size of a card in bytes; the bot accepts 20 kB.
const LARGEST: usize = 19_000;
/// Codes that report too many messages.
const TOO_MANY: [i64; 2] = [11232, 99_991_400];
/// Pause after the bot reported too many messages.
const REST: Duration = Duration::from_mins(1);

/// The kind of channel `feishu: {url_from: …}`.
pub(super) struct Bot;

impl ChannelKind for Bot {
    fn word(&self) -> &'static str {
        "feishu"
    }

    fn about(&self) -> &'static str {
        "The custom bot of a Feishu group."
    }

    fn per_minute(&self) -> u32 {
        100
    }

    fn block(&self) -> Declared {
        HookBlock::declared()
    }

    fn describe(&self, block: &Value) -> Result<String, String> {
        Ok(format!("Feishu card to {}", read(block)?))
    }

    fn open(&self, block: &Value, around: &Surroundings) -> Result<Box<dyn Channel>, SendFailure> {
        let (url, secret) = read(block).map_err(SendFailure::never)?.secrets(around)?;
        Ok(Box::new(Feishu {
            url,
            secret,
            around: around.clone(),
        }))
    }
}

/// Reads the block of a bot.
fn read(block: &Value) -> Result<Hook, String> {
    let block = HookBlock::of(block)?;
    if block.url.is_some() {
        return Err(
            "the address of a Feishu bot lets anybody write to the group: name where it lies, \
             `url_from: {env: …}`"
                .into(),
        );
    }
    block.resolve()
}

/// An opened channel to a bot.
struct Feishu {
    url: Secret,
    secret: Option<Secret>,
    around: Surroundings,
}

impl Channel for Feishu {
    fn send(&self, alert: &Alert, now: Timestamp, limit: Duration) -> Result<(), SendFailure> {
        let body = message(alert, self.secret.as_ref(), now);
        let answer = post(&self.url, &body, &[], limit, &self.around)?;
        if !(200..300).contains(&answer.status) {
            return Err(refused(&answer));
        }
        judge(&answer.body).map_err(|refusal| SendFailure {
            why: self.url.hide(&refusal.why),
            ..refusal
        })
    }
}

/// Judges the body of an answer of status 200.
fn judge(body: &[u8]) -> Result<(), SendFailure> {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return Err(SendFailure::later(
            "the answer is no JSON: is this the address of a Feishu bot?",
        ));
    };
    // The old form spells the key with capital letters.
    let code = ["code", "StatusCode"]
        .iter()
        .find_map(|key| answer.get(key)?.as_i64());
    let said = ["msg", "StatusMessage"]
        .iter()
        .find_map(|key| answer.get(key)?.as_str())
        .unwrap_or("nothing");
    match code {
        Some(0) => Ok(()),
        Some(code) if TOO_MANY.contains(&code) => Err(SendFailure {
            why: format!("too many messages (code {code})"),
            again: RetryAdvice::After(REST),
        }),
        Some(code) => Err(SendFailure::never(format!(
            "the bot refused it: code {code}, {}",
            words::line(said)
        ))),
        None => Err(SendFailure::later(
            "the answer has no code: is this the address of a Feishu bot?",
        )),
    }
}

/// Builds the message. If the card is too large, facts are left out, starting with the last.
fn message(alert: &Alert, secret: Option<&Secret>, now: Timestamp) -> Vec<u8> {
    let mut facts = words::facts(alert);
    loop {
        let mut message = json!({ "msg_type": "interactive", "card": card(alert, &facts) });
        if let Some(secret) = secret {
            message["timestamp"] = now.as_second().to_string().into();
            message["sign"] = sign::feishu(secret, now).into();
        }
        let bytes = serde_json::to_vec(&message).expect("because plain data always renders");
        if bytes.len() <= LARGEST || facts.pop().is_none() {
            return bytes;
        }
    }
}

/// Returns a text element without markup.
fn plain(text: &str) -> Value {
    json!({ "tag": "plain_text", "content": text })
}

/// Builds the card.
fn card(alert: &Alert, facts: &[(String, String)]) -> Value {
    let (template, tag) = match alert.severity {
        Severity::Good => ("green", "green"),
        Severity::Info => ("blue", "blue"),
        Severity::Warning => ("orange", "orange"),
        Severity::Critical => ("red", "red"),
    };
    let title = words::title(alert);
    let lines: Vec<String> = facts
        .iter()
        .map(|(name, fact)| format!("{name}: {fact}"))
        .collect();
    let mut elements = vec![
        json!({ "tag": "div", "text": plain(&lines.join("\n")) }),
        json!({ "tag": "hr" }),
    ];
    let button = |(nth, offer): (usize, &crate::model::alert::Offer)| {
        let link = offer.link.as_ref()?;
        let kind = if nth == 0 { "primary" } else { "default" };
        let open = json!([{ "type": "open_url", "default_url": link }]);
        let button = json!({ "tag": "button", "type": kind, "text": plain(&words::line(&offer.label)), "behaviors": open });
        Some(json!({ "tag": "column", "width": "auto", "elements": [button] }))
    };
    let buttons: Vec<Value> = alert.offers.iter().enumerate().filter_map(button).collect();
    if !buttons.is_empty() {
        elements.push(json!({ "tag": "column_set", "flex_mode": "flow", "columns": buttons }));
    }
    let commands: Vec<String> = alert
        .offers
        .iter()
        .map(|offer| {
            format!(
                "{}\n  {}",
                words::line(&offer.label),
                words::line(&offer.command)
            )
        })
        .collect();
    elements.push(json!({ "tag": "div", "text": plain(&commands.join("\n")) }));
    json!({
        "schema": "2.0",
        "config": { "update_multi": true, "enable_forward": true, "width_mode": "fill", "summary": { "content": title } },
        "header": {
            "template": template,
            "title": plain(&title),
            // A bot with a keyword check looks for this word.
            "subtitle": plain(&format!("snapback · {} · {}", words::line(&alert.repository), words::line(&alert.host))),
            "text_tag_list": [{ "tag": "text_tag", "text": plain(alert.notice.event.word()), "color": tag }]
        },
        "body": { "direction": "vertical", "vertical_spacing": "medium", "elements": elements }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::words::tests::sample;

    #[test]
    fn a_card_has_the_answers_no_markup_and_fits() {
        let now = "2026-02-24T05:10:00Z".parse().expect("it is a time");
        let bytes = message(&sample(), Some(&Secret::from("demo")), now);
        assert!(bytes.len() <= LARGEST, "{}", bytes.len());
        let message: Value = serde_json::from_slice(&bytes).expect("it is JSON");
        assert_eq!(message["card"]["schema"], "2.0");
        assert_eq!(message["timestamp"], now.as_second().to_string());
        let text = String::from_utf8(bytes).expect("it is UTF-8");
        assert!(!text.contains("markdown") && !text.contains("s3cret"));
        let columns = message
            .pointer("/card/body/elements/2/columns")
            .and_then(Value::as_array)
            .expect("there are buttons");
        assert_eq!(columns.len(), 2, "two of the three answers have a page");
        let mut large = sample();
        large.notice.facts = vec![("错".repeat(400), "误".repeat(400)); 12];
        assert!(super::message(&large, None, now).len() <= LARGEST);
    }

    #[test]
    fn errors_inside_an_answer_of_status_200_are_errors() {
        assert_eq!(judge(br#"{"code":0,"msg":"success","data":{}}"#), Ok(()));
        assert_eq!(
            judge(br#"{"StatusCode":0,"StatusMessage":"success"}"#),
            Ok(())
        );
        let again = |body: &[u8]| judge(body).expect_err("it is a refusal").again;
        assert_eq!(
            again(br#"{"code":11232,"msg":"frequency limited psm"}"#),
            RetryAdvice::After(REST)
        );
        assert_eq!(
            again(br#"{"code":19021,"msg":"sign match fail or timestamp is not within one hour"}"#),
            RetryAdvice::Never
        );
        assert_eq!(again(b"<html>captive portal</html>"), RetryAdvice::Later);
        assert_eq!(again(b"{}"), RetryAdvice::Later);
    }
}
