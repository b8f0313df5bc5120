//! REST: responses, accepted requests, refusals.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::client::{Ask, HOME, ask, get, headers, here, raw};
use super::{Options, Visibility, empty, filled, head, start};

fn status_and_message(answered: &super::client::Answered) -> (u16, String) {
    (answered.status, answered.message())
}

#[tokio::test(flavor = "multi_thread")]
async fn describes_the_repository() {
    let github = start(filled()).await;
    let shown = get(&github, "").await.json();
    assert_eq!(shown["full_name"], "octo-org/archive");
    assert_eq!(
        (&shown["private"], &shown["visibility"]),
        (&json!(true), &json!("private"))
    );
    assert_eq!(shown["default_branch"], "main");
    assert_eq!(shown["permissions"]["push"], true);
    github.set_visibility(Visibility::Public);
    github.rename_default_branch("trunk").expect("git");
    let shown = get(&github, "").await.json();
    assert_eq!(
        (&shown["private"], &shown["default_branch"]),
        (&json!(false), &json!("trunk"))
    );
    // Names ignore case; other names aren't found.
    let upper = ask(&github, "GET", "/repos/Octo-Org/Archive", Value::Null).await;
    assert_eq!(upper.status, 200);
    let other = ask(&github, "GET", "/repos/octo-org/other", Value::Null).await;
    assert_eq!(status_and_message(&other), (404, "Not Found".to_owned()));
    github.delete_repository();
    assert_eq!(get(&github, "").await.status, 404);
    assert_eq!(github.violations(), [""; 0]);
    assert_eq!(
        ask(&github, "GET", "/teapot", Value::Null).await.status,
        404
    );
    assert_eq!(github.violations(), ["unknown route: GET /teapot"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_repositories_accept_only_files_by_path() {
    let github = start(empty()).await;
    for (method, path) in [
        ("GET", "/git/ref/heads/main"),
        ("POST", "/git/blobs"),
        ("POST", "/git/trees"),
        ("POST", "/git/commits"),
        ("POST", "/git/refs"),
        ("GET", "/commits"),
    ] {
        let refused = here(&github, method, path, json!({"content": ""})).await;
        let expected = (409, "Git Repository is empty.".to_owned());
        assert_eq!(status_and_message(&refused), expected, "{method} {path}");
    }
    let nothing = get(&github, "/contents/a.txt").await;
    assert_eq!(
        status_and_message(&nothing),
        (404, "This repository is empty.".to_owned())
    );
    assert_eq!(get(&github, "/branches/main").await.status, 404);
    let file = json!({"message": "First", "content": STANDARD.encode("a")});
    let made = here(&github, "PUT", "/contents/deep/a.txt", file).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!(made["commit"]["sha"], head(&github));
    assert_eq!(made["commit"]["parents"], json!([]));
    assert_eq!(made["content"]["path"], "deep/a.txt");
    assert_eq!(
        get(&github, "/git/ref/heads/main").await.json()["object"]["sha"],
        head(&github)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn serves_contents_as_json_bytes_and_folders() {
    let large = vec![7; 1024 * 1024 + 1];
    let mut options = filled();
    options.files.push(("large.bin".to_owned(), large.clone()));
    options.files.push(("long.txt".to_owned(), vec![b'x'; 100]));
    let github = start(options).await;
    let shown = get(&github, "/contents/long.txt?ref=main").await.json();
    let content = shown["content"].as_str().expect("content");
    assert_eq!(
        (shown["size"].as_u64(), content.lines().count()),
        (Some(100), 3)
    );
    assert_eq!(
        STANDARD.decode(content.replace('\n', "")).expect("base64"),
        vec![b'x'; 100]
    );
    let shown = get(&github, "/contents/large.bin").await.json();
    assert_eq!(
        (&shown["content"], &shown["encoding"]),
        (&json!(""), &json!("none"))
    );
    let bytes = raw(&github, "/contents/large.bin").await;
    assert_eq!(bytes.body, large);
    let blob = raw(
        &github,
        &format!("/git/blobs/{}", shown["sha"].as_str().expect("sha")),
    )
    .await;
    assert_eq!(blob.body, large);
    let list = get(&github, "/contents/").await.json();
    let names: Vec<_> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|value| &value["name"])
        .collect();
    assert_eq!(names, ["README.md", "data", "large.bin", "long.txt"]);
    let list = get(&github, "/contents/data").await.json();
    assert_eq!(list[0]["path"], "data/one.bin");
    assert_eq!(get(&github, "/contents/nothing").await.status, 404);
    assert_eq!(
        get(&github, "/contents/README.md?ref=nothing").await.status,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_a_file_requires_its_hash() {
    let github = start(filled()).await;
    let put = |extra: Value| {
        let mut body = json!({"message": "Change", "content": STANDARD.encode("new")});
        for (name, value) in extra.as_object().expect("fields") {
            body[name] = value.clone();
        }
        here(&github, "PUT", "/contents/README.md", body)
    };
    assert_eq!(put(json!({})).await.status, 422);
    let stale = put(json!({"sha": "0".repeat(40)})).await;
    let message = format!("README.md does not match {}", "0".repeat(40));
    assert_eq!(status_and_message(&stale), (409, message));
    assert_eq!(put(json!({"content": "%"})).await.status, 422);
    assert_eq!(put(json!({"branch": "other"})).await.status, 404);
    let sha = get(&github, "/contents/README.md").await.json()["sha"].clone();
    assert_eq!(put(json!({"sha": sha})).await.status, 200);
    assert_eq!(github.files_at("main").expect("git")["README.md"], b"new");
    let gone = json!({"message": "Remove", "sha": get(&github, "/contents/README.md").await.json()["sha"]});
    assert_eq!(
        here(&github, "DELETE", "/contents/README.md", gone)
            .await
            .status,
        200
    );
    assert!(
        !github
            .files_at("main")
            .expect("git")
            .contains_key("README.md")
    );
    let not_json = Ask {
        method: "PUT",
        path: &format!("{HOME}/contents/x"),
        headers: headers(&github),
        body: b"{".to_vec(),
    };
    assert_eq!(not_json.send(&github).await.expect("an answer").status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn refs_move_only_forward_unless_forced() {
    let github = start(filled()).await;
    let first = head(&github);
    let second = github.commit_as_somebody([("b", "b")]).expect("git");
    let body = json!({"ref": "refs/heads/side", "sha": first});
    assert_eq!(
        here(&github, "POST", "/git/refs", body.clone())
            .await
            .status,
        201
    );
    let again = here(&github, "POST", "/git/refs", body).await;
    assert_eq!(
        status_and_message(&again),
        (422, "Reference already exists".to_owned())
    );
    let unnamed = json!({"ref": "side", "sha": first});
    assert_eq!(
        here(&github, "POST", "/git/refs", unnamed).await.status,
        422
    );
    let nothing = json!({"ref": "refs/heads/x", "sha": "1".repeat(40)});
    let nothing = here(&github, "POST", "/git/refs", nothing).await;
    assert_eq!(
        status_and_message(&nothing),
        (422, "Object does not exist".to_owned())
    );
    let main = "/git/refs/heads/main";
    let back = here(&github, "PATCH", main, json!({"sha": first})).await;
    assert_eq!(
        status_and_message(&back),
        (422, "Update is not a fast forward".to_owned())
    );
    let forced = here(&github, "PATCH", main, json!({"sha": first, "force": true})).await;
    assert_eq!(forced.status, 200);
    assert_eq!(
        here(&github, "PATCH", main, json!({"sha": second}))
            .await
            .status,
        200
    );
    let listed = get(&github, "/git/matching-refs/heads/").await.json();
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    assert_eq!(
        here(&github, "DELETE", "/git/refs/heads/side", Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(get(&github, "/git/ref/heads/side").await.status, 404);
    assert_eq!(
        here(&github, "DELETE", "/git/refs/heads/side", Value::Null)
            .await
            .status,
        422
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn creates_trees_from_others() {
    let github = start(filled()).await;
    let base = head(&github);
    let entry = |path: &str, sha: Value| json!({"path": path, "mode": "100644", "type": "blob", "sha": sha});
    let post = |tree: Value| {
        here(
            &github,
            "POST",
            "/git/trees",
            json!({"base_tree": base, "tree": tree}),
        )
    };
    let made = post(json!([entry("data/one.bin", Value::Null), {"path": "c/d.txt", "mode": "100644", "type": "blob", "content": "d"}])).await;
    assert_eq!(made.status, 201);
    let sha = made.json()["sha"].as_str().expect("sha").to_owned();
    let all = get(&github, &format!("/git/trees/{sha}?recursive=1"))
        .await
        .json();
    let paths: Vec<_> = all["tree"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|value| &value["path"])
        .collect();
    assert_eq!(paths, ["README.md", "c", "c/d.txt"]);
    assert_eq!(all["tree"][2]["size"], 1);
    // A folder replaces all of another, and null removes it.
    let folder = |path: &str, sha: &Value| json!({"path": path, "mode": "040000", "type": "tree", "sha": sha});
    let c = &all["tree"][1]["sha"];
    for (entries, expected) in [
        (
            json!([folder("data", c)]),
            vec!["README.md", "data", "data/d.txt"],
        ),
        (
            json!([folder("x/y", c), folder("data", &Value::Null)]),
            vec!["README.md", "x", "x/y", "x/y/d.txt"],
        ),
    ] {
        let made = post(entries).await;
        assert_eq!(made.status, 201);
        let sha = made.json()["sha"].as_str().expect("sha").to_owned();
        let all = get(&github, &format!("/git/trees/{sha}?recursive=1")).await;
        let all = all.json();
        let paths = all["tree"].as_array().expect("entries").iter();
        let paths: Vec<_> = paths.map(|value| &value["path"]).collect();
        assert_eq!(paths, expected);
    }
    let absent = post(json!([entry("nothing", Value::Null)])).await;
    assert_eq!(
        status_and_message(&absent),
        (422, "GitRPC::BadObjectState".to_owned())
    );
    assert_eq!(
        post(json!([entry("x", json!("1".repeat(40)))]))
            .await
            .status,
        422
    );
    assert_eq!(post(json!([entry("../x", Value::Null)])).await.status, 422);
    let many: Vec<_> = (0..251)
        .map(|n| json!({"path": format!("{n}"), "mode": "100644", "type": "blob", "content": ""}))
        .collect();
    assert_eq!(post(json!(many)).await.status, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn tarballs_have_one_folder_named_after_the_commit() {
    let github = start(filled()).await;
    let found = get(&github, "/tarball/main").await;
    assert_eq!((found.status, found.body.len()), (302, 0));
    let to = found.header("location").expect("a location").to_owned();
    let path = to.strip_prefix(&github.url()).expect("the same server");
    // The link is enough, without a token.
    let ask = |path| Ask {
        method: "GET",
        path,
        headers: Vec::new(),
        body: Vec::new(),
    };
    let archive = ask(path).send(&github).await.expect("an archive");
    assert_eq!(archive.header("content-type"), Some("application/x-gzip"));
    let mut tar = Vec::new();
    let mut unpacked = flate2::read::GzDecoder::new(archive.body.as_slice());
    unpacked.read_to_end(&mut tar).expect("gzip");
    let folder = format!("octo-org-archive-{}/", &head(&github)[..7]);
    let names: Vec<_> = tar
        .chunks(512)
        .filter(|block| block[257..].starts_with(b"ustar"))
        .map(|block| {
            String::from_utf8_lossy(&block[..100])
                .trim_end_matches('\0')
                .to_owned()
        })
        .filter(|name| name != "pax_global_header")
        .collect();
    let expected = ["", "README.md", "data/", "data/one.bin"].map(|path| format!("{folder}{path}"));
    assert_eq!(names, expected);
    let bare = path.split('?').next().expect("a path");
    assert_eq!(
        ask(bare).send(&github).await.expect("an answer").status,
        404
    );
    assert_eq!(get(&github, "/tarball").await.status, 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_paged_and_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let record = folder.path().join("record.jsonl");
    let github = start(Options {
        record: Some(record.clone()),
        ..filled()
    })
    .await;
    for n in 0..3 {
        github
            .commit_as_somebody([(format!("{n}"), "x")])
            .expect("git");
    }
    let page = get(&github, "/commits?per_page=3").await;
    assert_eq!(page.json().as_array().map(Vec::len), Some(3));
    assert!(
        page.header("link")
            .is_some_and(|link| link.contains("page=2"))
    );
    let page = get(&github, "/commits?per_page=3&page=2&sha=main").await;
    assert_eq!(page.json().as_array().map(Vec::len), Some(1));
    assert_eq!(page.header("link"), None);
    let one = get(&github, "/commits/main").await.json();
    assert_eq!(one["sha"], head(&github));
    assert_eq!(get(&github, "/commits/none").await.status, 422);
    github.stop().await;
    let lines = std::fs::read_to_string(record).expect("a record");
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines[0]["route"], "/repos/{owner}/{repo}/commits");
    assert_eq!(lines[0]["response"].as_array().map(Vec::len), Some(3));
}
