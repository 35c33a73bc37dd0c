//! Tests of the YAML checks, with hostile and valid texts.

use super::*;

#[test]
fn bombs_are_refused_quickly_and_cheaply() {
    let quadratic = format!(
        "a: &a \"{}\"\nb: [{}]\n",
        "x".repeat(100_000),
        vec!["*a"; 20_000].join(", ")
    );
    let billion =
        "a: &a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n";
    let deep = "[".repeat(100_000);
    for text in [quadratic.as_str(), billion, &deep] {
        assert!(check(text.as_bytes(), YamlLimits::machine()).is_err());
    }
    let levels = ["a: &a0 [x,x]".to_string()].into_iter();
    let levels = levels.chain((1..30).map(|n| {
        format!(
            "a{n}: &a{n} [{}]",
            vec![format!("*a{}", n - 1); 9].join(",")
        )
    }));
    let laughs = levels.collect::<Vec<_>>().join("\n");
    let maps = (1..40)
        .map(|n| format!("m{n}: &m{n} {{<<: *m{m}, a: *m{m}, b: *m{m}}}\n", m = n - 1))
        .collect::<Vec<_>>()
        .concat();
    let maps = format!("m0: &m0 {{x: y}}\n{maps}");
    for text in [quadratic.as_str(), &deep, &laughs, &maps] {
        assert!(
            check(text.as_bytes(), YamlLimits::human()).is_err(),
            "{}",
            &text[..40]
        );
    }
    assert!(matches!(
        check(&vec![b' '; 2 << 20], YamlLimits::human()),
        Err(Error::TooLarge { .. })
    ));
    assert!(check(b"a: \xff", YamlLimits::human()).is_err());
    let nested = (1..70)
        .map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1))
        .collect::<Vec<_>>()
        .concat();
    let error = check(
        format!("a0: &a0 [x]\n{nested}").as_bytes(),
        YamlLimits::human(),
    )
    .expect_err("it is deep");
    assert!(error.to_string().contains("deeper"), "{error}");
}

#[test]
fn many_aliases_of_something_small_are_honest() {
    let jobs = (0..5_000)
        .map(|n| format!("  j{n}: *d\n"))
        .collect::<Vec<_>>()
        .concat();
    check(
        format!("d: &d {{retries: 3, wait: 10}}\njobs:\n{jobs}").as_bytes(),
        YamlLimits::human(),
    )
    .expect("it is honest");
    let anchors = (0..5_000)
        .map(|n| format!("a{n}: &a{n} x\n"))
        .collect::<Vec<_>>()
        .concat();
    check(anchors.as_bytes(), YamlLimits::human()).expect("it is honest");
}

#[test]
fn a_key_is_found_by_its_path() {
    let text = b"a: {b: 1}\nlist: [{a: 1}]\ntasks:\n  T01.x:\n    b: [1, {c: 2}]\n    c: 3\n";
    for (path, found) in [
        ("a.b", Some((1, true))),
        ("tasks.T01.x.c", Some((6, true))),
        ("tasks.T01.x", Some((4, true))),
        ("tasks.T02", Some((3, false))),
        ("list.a", Some((2, false))),
        ("c", None),
    ] {
        assert_eq!(line_of(text, path), found, "{path}");
    }
}

#[test]
fn honest_text_is_read() {
    let value: std::collections::BTreeMap<String, Vec<u8>> =
        parse(b"a: [1, 2]\n", YamlLimits::machine()).expect("it is honest");
    assert_eq!(value["a"], [1, 2]);
    for text in [
        "a: .inf\nb: -.inf\nc: .nan\nd: 61e9540\n",
        "<<: {a: 1}\n<<: {b: 1}\n",
        "a: !x 1\nb: !!timestamp 2020-01-01\n",
    ] {
        check(text.as_bytes(), YamlLimits::human()).expect(text);
    }
    for (text, why) in [
        (
            "a: 1\nb: 2\na: 3\n",
            "line 3 column 1: duplicate mapping key: a",
        ),
        ("a: 1\n---\nb: 1\n", "several documents"),
    ] {
        let error = check(text.as_bytes(), YamlLimits::human())
            .expect_err("it is refused")
            .to_string();
        assert!(error.contains(why), "{error}");
    }
}
