//! Ids, answers and topics are read as they are written.

use super::*;

#[test]
fn ids_and_answers_are_read_as_they_are_written() {
    let id = AlertId::new(0x1f);
    assert_eq!(id.to_string(), "0000001f");
    assert_eq!("0000001f".parse::<AlertId>().expect("it is one"), id);
    for bad in ["", "1f", "0000001F", "+000001f", "../../x"] {
        assert!(bad.parse::<AlertId>().is_err(), "{bad}");
    }
    for text in ["last-good", "hold", "1.2.0"] {
        assert_eq!(
            text.parse::<AlertOption>().expect("it is one").to_string(),
            text
        );
    }
    assert_eq!(
        "v1.2.0"
            .parse::<AlertOption>()
            .expect("it is one")
            .to_string(),
        "1.2.0"
    );
    assert!("yes".parse::<AlertOption>().is_err());
}

#[test]
fn words_of_topics_are_those_of_the_wire() {
    for topic in [
        Topic::Test,
        Topic::RolledBack,
        Topic::Recovered,
        Topic::NeedsPerson,
        Topic::Overruled,
        Topic::Blind,
    ] {
        assert_eq!(
            serde_json::to_value(topic).expect("it renders"),
            topic.word()
        );
    }
    for topic in [Topic::Reverted, Topic::NotReverted, Topic::Stuck] {
        assert_eq!(
            serde_json::to_value(topic).expect("it renders"),
            topic.word()
        );
    }
}
