// Who is not signed in sees this form, and nothing else.

import { post } from "../api.js";
import { h, put } from "../dom.js";

/** Show the form in `app`; `done` is called when somebody has signed in. */
export function signInPage(app, done) {
  document.title = "Sign in · Airwave";
  const secret = h("input", { id: "secret", type: "password", autocomplete: "current-password", required: true, maxlength: 8192 });
  const trouble = h("p.trouble", { role: "alert", hidden: true });
  const button = h("button.primary", { type: "submit" }, "Sign in");
  const form = h(
    "form.card",
    {},
    h("img", { src: "/dashboard/icon.svg", alt: "", width: 48, height: 48 }),
    h("h1", {}, "Airwave"),
    h("label", { for: "secret" }, "Password or admin token"),
    secret,
    trouble,
    button,
    h("p.faint", {}, "The password is the server's ", h("code", {}, "requirepass"), "; a token is a JWT with the claim ", h("code", {}, "role"), "."),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    trouble.hidden = true;
    button.disabled = true;
    const value = secret.value;
    // A token has three parts of base64url; a password that looks like one is still tried as a password.
    const looksLikeToken = /^[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}$/.test(value.trim());
    try {
      await post("/api/login", looksLikeToken ? { token: value.trim() } : { password: value });
      secret.value = "";
      await done();
    } catch (error) {
      trouble.textContent = error.message;
      trouble.hidden = false;
      secret.select();
      secret.focus();
    } finally {
      button.disabled = false;
    }
  });
  put(app, h("main.alone", { id: "main", tabindex: "-1" }, form));
  secret.focus();
}
