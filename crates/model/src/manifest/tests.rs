//! Tests that both manifest readers agree, and that hostile manifests are refused.

use base::Digest;

use super::*;
use crate::{FileRecord, Location, ObjectId};

fn sample() -> Manifest {
    let file = |path: &[u8], role, location| {
        let path = RelPath::parse(path).expect("safe");
        let record = FileRecord {
            location,
            ..FileRecord::with_bytes(path.clone(), 0o644, path.as_bytes().to_vec())
        };
        ManifestFile::new(role, record)
    };
    let blob = || Location::Blob("1".repeat(40).parse().expect("id"));
    let object = Location::Object(ObjectId(Digest::of(b"tasks/T01/model.bin")));
    Manifest {
        subject: TaskVersion {
            task: "T01".parse().expect("id"),
            version: "1.2.0".parse().expect("version"),
            tag: "T01-v1.2.0".into(),
            commit: AsWritten::read("a".repeat(40)),
            previous: None,
            adopted: false,
            line_ends: Vec::new(),
        },
        created_at: AsWritten::read("2026-02-24T05:10:00Z".into()),
        message: Some("新增: yes\nno".into()),
        by_hand: false,
        files: vec![
            file(b"tasks/T01/a b\n\"c\".py", FileRole::Source, blob()),
            file(b"tasks/T01/config.yaml", FileRole::Config, blob()),
            file(b"tasks/T01/model.bin", FileRole::Large, object),
            file(b"tasks/T01/\xff.py", FileRole::Source, blob()),
        ],
        dependencies: DependencyList {
            python_packages: vec!["pandas==2.1.4".into()],
            ..DependencyList::default()
        },
    }
}

/// Reads a text with the fast reader; `None` when it is not canonical.
fn quick(text: &str) -> Option<Manifest> {
    let text = canonical::read(text.as_bytes())?;
    Some(text.checked().expect("it keeps the rules"))
}

#[test]
fn canonical_text_round_trips_by_both_readers() {
    let manifest = sample();
    let text = manifest.render();
    let fast = quick(&text).expect("it is canonical");
    let slow = Manifest::parse_yaml(text.as_bytes()).expect("it is YAML");
    assert_eq!((&fast, &slow), (&manifest, &manifest));
    assert_eq!(
        Manifest::parse(text.as_bytes())
            .expect("it keeps the rules")
            .render(),
        text
    );
    assert_eq!(
        Manifest::parse_dependencies(text.as_bytes()).expect("they are there"),
        Some(manifest.dependencies.clone())
    );
    let by_hand = text.replacen(
        "schema: snapback.manifest/1\n",
        "# a note\nschema: snapback.manifest/1\n",
        1,
    );
    assert_eq!(
        Manifest::parse_dependencies(by_hand.as_bytes()).expect("it is YAML"),
        Some(manifest.dependencies.clone())
    );
    let empty = Manifest {
        files: vec![],
        ..manifest
    };
    assert_eq!(
        Manifest::parse(empty.render().as_bytes()).expect("it reads"),
        empty
    );
}

#[test]
fn the_golden_manifest_is_written_as_it_always_was() {
    let golden = include_str!("release-1.yaml");
    let manifest = quick(golden).expect("it is canonical");
    assert_eq!(manifest.render(), golden);
    let slow = Manifest::parse_yaml(golden.as_bytes()).expect("it is YAML");
    assert_eq!((slow.render().as_str(), slow), (golden, manifest));
}

#[test]
fn names_that_yaml_reads_otherwise_than_json_survive_every_reader() {
    for name in [
        "a\u{85}b",
        "a\u{2028}b",
        "\u{7f}",
        "\u{feff}x",
        "\u{fffe}",
        "a\tb\\",
        "😀",
    ] {
        let mut manifest = sample();
        manifest.files.truncate(1);
        let file = manifest.files[0].record_mut().expect("it is whole");
        file.path = RelPath::parse(name).expect("safe");
        let text = manifest.render();
        let slow = Manifest::parse_yaml(text.as_bytes()).expect("it is YAML");
        assert_eq!(
            (quick(&text), slow),
            (Some(manifest.clone()), manifest),
            "{name:?}"
        );
    }
    // Unescaped as in JSON, as in earlier manifests; and with an escape that YAML refuses.
    let with = |path: &str| sample().render().replacen("tasks/T01/config.yaml", path, 1);
    assert!(canonical::read(with("tasks/T01/b\u{85}").as_bytes()).is_some());
    assert!(Manifest::parse(with("tasks/T01/b\\ud83d\\ude00").as_bytes()).is_err());
}

#[test]
fn both_readers_refuse_a_key_that_stands_twice() {
    for more in [
        "schema: snapback.manifest/1\n",
        "files: []\n",
        "metadata: {}\n",
    ] {
        assert!(
            Manifest::parse((sample().render() + more).as_bytes()).is_err(),
            "{more}"
        );
    }
}

#[test]
fn the_users_example_loads() {
    let text = "# snapshot-T01-v1.2.0.yaml\nmetadata:\n  task_id: \"T01\"\n  version: \"1.2.0\"\n  created_at: \"2026-02-24T05:10:00Z\"\n  git_commit: \"a1b2c3d4e5f6\"\n  git_tag: \"T01-v1.2.0\"\n  \nfiles:\n  - path: \"tasks/T01/config.yaml\"\n    checksum: \"sha256:abc123...\"\n  - path: \"tasks/T01/limit_up_strategy_new.py\"\n    checksum: \"sha256:def456...\"\n  - path: \"task_registry.json\"\n    checksum: \"sha256:ghi789...\"\n  \ndependencies:\n  python_packages:\n    - \"tushare==1.2.85\"\n    - \"pandas==2.1.4\"\n  environment_variables:\n    - \"TAVILY_API_KEY\"\n    - \"TUSHARE_TOKEN\"\n";
    let manifest = Manifest::parse(text.as_bytes()).expect("it loads");
    assert_eq!(manifest.files.len(), 3);
    assert_eq!(
        manifest.dependencies.environment_variables,
        ["TAVILY_API_KEY", "TUSHARE_TOKEN"]
    );
    assert!(
        manifest.files[0].digest().is_none(),
        "a shortened checksum proves nothing"
    );
}

#[test]
fn hostile_manifests_are_refused() {
    let text = sample().render();
    let swap = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let cases = [
        swap("tasks/T01/config.yaml", "../config.yaml"),
        swap("tasks/T01/config.yaml", "/etc/passwd"),
        swap("tasks/T01/config.yaml", "tasks/.GIT/config"),
        swap("tasks/T01/config.yaml", "tasks/T01/model.bin"),
        swap("tasks/T01/config.yaml", "zz"),
        swap("tasks/T01/model.bin", "tasks/T01/config.yaml/x"),
        swap("mode: \"100644\"", "mode: \"104755\""),
        swap("mode: \"100644\"", "mode: \"160000\""),
        swap("snapback.manifest/1", "snapback.manifest/2"),
        swap("git_tag: T01-v1.2.0", "git_tag: T01-v1.3.0"),
        swap("checksum: sha256:", "checksum: sha256:x"),
        swap("    role: large\n", "    role: source\n"),
        swap("version: 1.2.0", "version: 1.2"),
        swap("files:\n", "files: &a\n"),
        swap("task_id: T01", "task_id: $(id)"),
        "x: &a [1]\ny: *a\n".into(),
        String::new(),
    ];
    for case in cases {
        assert!(Manifest::parse(case.as_bytes()).is_err(), "{case}");
    }
    assert!(
        Manifest::parse(&vec![b'#'; 100 << 20]).is_err(),
        "100 MB are refused"
    );
}

#[test]
fn a_release_is_rendered_with_what_is_known_last() {
    let mut manifest = sample();
    let commit: crate::GitId = "b".repeat(40).parse().expect("id");
    let object = ObjectId(Digest::of(b"another"));
    let path = manifest.files[2].path().clone();
    let objects = [(path, object)].into_iter().collect();
    let text = manifest.render_written(&commit, &objects);
    // It is known before, with any other commit.
    assert_eq!(manifest.written_size(Some(&commit)).0, text.len());
    manifest.subject.commit = AsWritten::Value(commit);
    let large = manifest.files[2].record_mut().expect("it is whole");
    large.location = Location::Object(object);
    assert_eq!(text, manifest.render());
}

#[test]
fn many_files_are_read_and_a_large_head_is_not() {
    let mut manifest = sample();
    let folder = [
        "f".repeat(200),
        "g".repeat(200),
        "h".repeat(200),
        "i".repeat(200),
    ]
    .join("/");
    let file = |nth: usize| {
        let path = RelPath::parse(format!("{folder}/{nth:06}").as_bytes()).expect("safe");
        let record = FileRecord {
            location: Location::Blob("1".repeat(40).parse().expect("id")),
            ..FileRecord::with_bytes(path, 0o644, Vec::new())
        };
        ManifestFile::new(FileRole::Source, record)
    };
    manifest.files = (0..67_000).map(file).collect();
    let text = manifest.render();
    assert!(text.len() > yaml::YamlLimits::machine().bytes);
    assert_eq!(manifest.written_size(None).0, text.len());
    let read = Manifest::parse(text.as_bytes()).expect("it is read");
    assert!(read == manifest);
    manifest.message = Some("m".repeat(65 << 20));
    assert!(manifest.written_size(None).1 > yaml::YamlLimits::machine().bytes);
    assert!(Manifest::parse(manifest.render().as_bytes()).is_err());
}
