// Copies what stands beside a button. Without this script the lines are there all the same, to be marked by hand.

const told = document.getElementById("told");

for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const copied = await copy(button.dataset.copy, button.parentElement.parentElement.querySelector("pre"));
    told.textContent = copied ? "Copied" : "Marked: copy it with Ctrl-C";
    button.textContent = copied ? "Copied" : "Marked";
    setTimeout(() => {
      button.textContent = "Copy";
      told.textContent = "";
    }, 2000);
  });
}

/** Browsers give the clipboard to pages by HTTPS and of this machine alone; elsewhere the old way is tried. */
async function copy(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(shown);
    const copied = document.execCommand("copy");
    if (copied) getSelection().removeAllRanges();
    return copied;
  }
}
