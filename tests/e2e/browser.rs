//! One click-through of the site with two real browsers.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fantoccini::{Client, Locator};
use jiff::{Timestamp, ToSpan, tz::TimeZone};

use crate::harness::chromium::{Browser, Driver};
use crate::harness::ground::Options;
use crate::harness::stack::Stack;

/// From the creation of the poll to its end: long enough for two slow browsers to vote in it.
const OPEN_SECONDS: i64 = 30;

const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test]
async fn two_browsers_see_a_poll_from_sign_up_to_its_closing_mail() {
    let stack = Stack::start(Options::default()).await;
    click_through(&stack.base()).await;
    stack.stop().await;
}

/// Signs up, makes a poll, votes in one browser, watches the count change in another, and waits for
/// beat to close the poll and for the mail about it. `base` is the site's URL without a slash at the end.
///
/// # Panics
/// Something on the way was not as promised; screenshots are kept with the logs.
pub(crate) async fn click_through(base: &str) {
    let driver = Driver::start().await;
    let author = driver.open("author").await;
    let watcher = driver.open("watcher").await;
    if let Err(error) = walk(base, &author, &watcher).await {
        driver.keep(&author).await;
        driver.keep(&watcher).await;
        panic!("{error:#}");
    }
    for browser in [author, watcher] {
        browser.page.close().await.expect("close the browser");
    }
}

async fn walk(base: &str, author: &Browser, watcher: &Browser) -> Result<()> {
    let question = format!("Which sauna stones, {}?", uuid::Uuid::new_v4());
    sign_up(base, &author.page).await.context("signing up")?;
    let poll = create_poll(base, &author.page, &question)
        .await
        .context("creating the poll")?;
    watch(&watcher.page, &poll)
        .await
        .context("opening the poll")?;
    vote(&author.page, &poll).await.context("voting")?;
    sees_count(&watcher.page).await.context("live results")?;
    sees_closed(&watcher.page, &poll).await.context("closing")?;
    sees_mail(base, &author.page, &question)
        .await
        .context("mail")
}

async fn sign_up(base: &str, page: &Client) -> Result<()> {
    page.goto(&format!("{base}/sign-up")).await?;
    fill(page, "name", "Aino").await?;
    let email = format!("{}@example.org", uuid::Uuid::new_v4());
    fill(page, "email", &email).await?;
    fill(page, "password", "löyly and birch leaves").await?;
    press(page, "form:has([name=password]) [type=submit]").await?;
    page.wait()
        .at_most(PATIENCE)
        .for_element(Locator::Css("form[action='/sign-out']"))
        .await
        .context("no way to sign out after signing up")?;
    Ok(())
}

async fn create_poll(base: &str, page: &Client, question: &str) -> Result<String> {
    page.goto(&format!("{base}/polls/new")).await?;
    fill(page, "question", question).await?;
    fill(page, "choices", "Peridotite\nVulcanite").await?;
    // Typing into a date field depends on the browser's language: its value does not.
    let closes_at = Timestamp::now().checked_add(OPEN_SECONDS.seconds())?;
    let closes_at = closes_at
        .to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%dT%H:%M:%S");
    let script = "document.querySelector('[name=closes_at]').value = arguments[0]";
    page.execute(script, vec![closes_at.to_string().into()])
        .await?;
    press(page, "form:has([name=choices]) [type=submit]").await?;
    page.wait()
        .at_most(PATIENCE)
        .for_element(Locator::Id("results"))
        .await
        .context("no results on the page after creating a poll")?;
    Ok(page.current_url().await?.to_string())
}

async fn watch(page: &Client, poll: &str) -> Result<()> {
    page.goto(poll).await?;
    ensure!(first_count(page).await? == Some(0), "a new poll has votes");
    // Gone if the page is ever loaded again.
    page.execute("window.neverReloaded = true", vec![]).await?;
    Ok(())
}

async fn vote(page: &Client, poll: &str) -> Result<()> {
    page.goto(poll).await?;
    press(page, "[name=choice]").await?;
    press(page, "form:has([name=choice]) [type=submit]").await?;
    until("the voter sees the vote", async || {
        Ok(first_count(page).await? == Some(1))
    })
    .await
}

async fn sees_count(page: &Client) -> Result<()> {
    until("the count changes without a reload", async || {
        Ok(first_count(page).await? == Some(1))
    })
    .await?;
    let kept = page
        .execute("return window.neverReloaded === true", vec![])
        .await?;
    ensure!(
        kept == true,
        "the page was loaded again to show the new count"
    );
    Ok(())
}

async fn sees_closed(page: &Client, poll: &str) -> Result<()> {
    until("beat closes the poll", async || {
        page.goto(poll).await?;
        Ok(!page.find_all(Locator::Id("closed")).await?.is_empty())
    })
    .await?;
    let radios = page.find_all(Locator::Css("[name=choice]")).await?;
    ensure!(radios.is_empty(), "a closed poll still offers to vote");
    Ok(())
}

async fn sees_mail(base: &str, page: &Client, question: &str) -> Result<()> {
    until("the author's mail", async || {
        page.goto(&format!("{base}/mail")).await?;
        Ok(page.source().await?.contains(question))
    })
    .await
}

async fn first_count(page: &Client) -> Result<Option<u64>> {
    let script = "const count = document.querySelector('#results .count');
        return count ? count.textContent : ''";
    let text = page.execute(script, vec![]).await?;
    Ok(text.as_str().and_then(|text| text.trim().parse().ok()))
}

async fn fill(page: &Client, name: &str, text: &str) -> Result<()> {
    let field = page.find(Locator::Css(&format!("[name={name}]"))).await?;
    field.send_keys(text).await?;
    Ok(())
}

async fn press(page: &Client, selector: &str) -> Result<()> {
    let button = page.find(Locator::Css(selector)).await;
    button
        .with_context(|| format!("no `{selector}`"))?
        .click()
        .await?;
    Ok(())
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let begin = std::time::Instant::now();
    while !holds().await? {
        ensure!(begin.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
