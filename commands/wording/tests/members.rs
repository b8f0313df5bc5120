//! Texts about what a member linked and what is kept about them.

use super::*;

#[test]
fn tells_members_how_they_are_linked() {
    let code = LinkCode {
        login: "octo_cat".to_owned(),
        text: "propsbot link AAAABBBBCCCCDDDD".to_owned(),
        given: NOW,
    };
    let long = "o".repeat(140);
    let repositories = vec![long; 7];
    let none = LinkStanding {
        link: Link::none(GuildId(1), UserId(2)),
        code: None,
        tier: Tier::None,
    };
    let github = GithubLink {
        since: NOW,
        undone: None,
        id: "U_1".to_owned(),
        login: "octo_cat".to_owned(),
    };
    let wanted = GrainWish {
        since: NOW,
        wanted: true,
    };
    let linked = LinkStanding {
        link: Link {
            github: Some(github),
            grain: Some(wanted),
            ..none.link.clone()
        },
        tier: Tier::Identity,
        ..none.clone()
    };
    let waiting = LinkStanding {
        code: Some(code.clone()),
        ..none.clone()
    };
    let short = ["octo-org/alpha".to_owned()];
    assert!(link_code(&code, &repositories).chars().count() <= LONGEST_MESSAGE);
    assert_snapshot!(visible(&[
        link_code(&code, &short),
        check_link_button().to_owned(),
        link_standing(&none, NOW),
        link_standing(&waiting, NOW),
        link_standing(&waiting, Millis(NOW.0 + 3_600_001)),
        link_standing(&linked, NOW),
        link_undone("octo_cat"),
        grain_asked(true),
        grain_asked(false),
    ]));
}

#[test]
fn tells_members_what_is_kept_about_them() {
    let kept = |tier, forgotten| Kept {
        privacy: Privacy {
            tier,
            since: NOW,
            forgotten,
            ..Privacy::unchosen(GuildId(1), UserId(2))
        },
        exported_within: Some(Duration::from_hours(1)),
    };
    let no_archive = Kept {
        exported_within: None,
        ..kept(Tier::Everything, Some(NOW))
    };
    let done = Forgotten {
        messages: 3,
        reactions: 2,
        props: 1,
    };
    let mut texts = vec![privacy(&kept(Tier::None, None)), privacy(&no_archive)];
    texts.extend([Tier::None, Tier::Content, Tier::Identity, Tier::Everything].map(chosen));
    texts.extend([
        still_blanking(),
        privacy_done(),
        personal_data(0),
        personal_data(12),
        confirm_deletion(),
        delete_button().to_owned(),
        forgotten(&done),
    ]);
    assert!(
        texts
            .iter()
            .all(|text| text.chars().count() <= LONGEST_MESSAGE)
    );
    assert_snapshot!(visible(&texts));
}
