// The style sheet of the element. The build removes white space and comments.
export default `
:host {
  --bellhop-accent: light-dark(#3a53c5, #9fb2ff);
  --bellhop-badge: light-dark(#c3272b, #ff8f8a);
  --bellhop-on-badge: light-dark(#fff, #2d0607);
  --bellhop-surface: light-dark(#fff, #1d1e24);
  --bellhop-text: light-dark(#1b1c22, #eeeef3);
  --bellhop-muted: light-dark(#5d606c, #a9acb9);
  --bellhop-line: light-dark(#e4e5ea, #34363f);
  --bellhop-hover: light-dark(#f3f4f8, #282a32);
  --bellhop-size: 2.75rem;
  --bellhop-width: 25rem;
  --bellhop-radius: 14px;
  display: inline-block;
  line-height: 1.4;
}
:host([theme=light]) { color-scheme: light }
:host([theme=dark]) { color-scheme: dark }
:host([theme=auto]) { color-scheme: light dark }
:host([inline]) { display: block }
:host([hidden]), [hidden] { display: none !important }

* { box-sizing: border-box; margin: 0; padding: 0 }
button { border: 0; background: none; color: inherit; font: inherit; cursor: pointer }
svg { display: block; width: 1.25em; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round }
:focus-visible { outline: 2px solid var(--bellhop-accent); outline-offset: -2px; border-radius: 8px }
.sr-only { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }

[part=bell] { position: relative; display: grid; place-items: center; width: var(--bellhop-size); height: var(--bellhop-size); border-radius: 50% }
[part=bell]:is(:hover, [aria-expanded=true]) { background: #8883 }
[part=bell] svg { width: 1.5rem; transform-origin: 50% 10% }
.ringing svg { animation: ring 0.7s }
@keyframes ring { 25% { rotate: 14deg } 60% { rotate: -11deg } }

[part=badge], [part=tab-count] { min-width: 1.25rem; padding: 0 0.35rem; border-radius: 99px; background: var(--bellhop-badge); color: var(--bellhop-on-badge); font-size: 0.75rem; font-weight: 650; line-height: 1.25rem; text-align: center }
[part=bell] [part=badge] { position: absolute; top: 0; inset-inline-start: 52% }

[part=panel] { display: flex; flex-direction: column; overflow: hidden; height: 100%; outline: 0; color: var(--bellhop-text); font-size: 0.9375rem; text-align: start }
[popover] { position: fixed; inset: 4rem 8px auto auto; min-height: 14rem; max-height: calc(100% - 16px); width: min(var(--bellhop-width), 100% - 8px); min-width: min(18rem, 100vw - 16px); height: auto; border: 1px solid var(--bellhop-line); border-radius: var(--bellhop-radius); background: var(--bellhop-surface); box-shadow: 0 2px 6px #0002, 0 12px 36px #0003 }
@supports (position-area: end) {
  [popover] { inset: auto; margin: 8px 0; position-area: block-end span-inline-start; position-try: flip-block, flip-inline, flip-block flip-inline }
}
[popover]:not(:popover-open) { display: none }
:popover-open { animation: open 0.14s }
@keyframes open { from { opacity: 0; translate: 0 -6px } }

[part=header] { display: flex; align-items: center; gap: 0.5rem; min-height: 3.25rem; padding-inline: 1.1rem 0.6rem; border-bottom: 1px solid var(--bellhop-line) }
[part=title] { font-size: 1.0625rem; font-weight: 650 }
[part=read-all] { margin-inline-start: auto }
[part=read-all], [part=more], [part~=tab] { min-height: 2.75rem; padding-inline: 0.6rem; border-radius: 8px; color: var(--bellhop-accent); font-size: 0.875rem; font-weight: 550 }
[part=more] { border-top: 1px solid var(--bellhop-line); border-radius: 0 }
:is([part=read-all], [part=more]):hover, [part=note] { background: var(--bellhop-hover) }
[part=note] { padding: 0.7rem 1.1rem; color: var(--bellhop-muted); font-size: 0.875rem }
[part=note]:has(+ :empty) { padding-block: 2.5rem; background: none; text-align: center }

[part=header]:has(+ [part=tabs]:not([hidden])) { border-bottom: 0 }
[part=tabs] { display: flex; flex: none; overflow-x: auto; scrollbar-width: none; padding-inline: 0.5rem; border-bottom: 1px solid var(--bellhop-line) }
[part~=tab] { display: flex; flex: none; align-items: center; gap: 0.4rem; color: var(--bellhop-muted) }
[part~=tab]:hover, [part~=selected] { color: var(--bellhop-text) }
[part~=selected] { border-radius: 0; box-shadow: inset 0 -2px var(--bellhop-accent) }
[part=tab-count] { background: var(--bellhop-hover); color: inherit }
[part~=selected] [part=tab-count] { background: var(--bellhop-accent); color: var(--bellhop-surface) }

[part=content] { display: flex; flex-direction: column; min-height: 0 }
[part=list] { min-height: 0; overflow-y: auto; overscroll-behavior: contain; list-style: none }
li { display: flex; flex-wrap: wrap; align-items: start }
li + li { border-top: 1px solid var(--bellhop-line) }
li:is(:hover, :focus-within) { background: var(--bellhop-hover) }
[part=link] { position: relative; flex: 1; min-width: 0; padding-block: 0.8rem; padding-inline: 1.9rem 0; color: inherit; text-align: start; text-decoration: none; overflow-wrap: anywhere }
[part=link] > * { display: block }
[part~=unread] [part=link]::before { content: ""; position: absolute; inset-inline-start: 0.75rem; top: 1.2rem; border: 0.25rem solid var(--bellhop-accent); border-radius: 50% }
[part~=unread] [part=item-title] { font-weight: 650 }
a:hover { text-decoration: underline }
[part=item-body], [part=meta] { color: var(--bellhop-muted); font-size: 0.875rem; white-space: pre-line }
[part=link] [part=meta] { display: flex; flex-wrap: wrap; gap: 0 0.5rem; font-size: 0.8125rem }
[part=priority] { color: var(--bellhop-badge); font-weight: 600 }
[part=actions] { display: flex; padding-inline: 0.25rem 0.35rem }
[part=action] { display: grid; place-items: center; width: 2.5rem; height: 2.75rem; border-radius: 8px; color: var(--bellhop-muted) }
[part=action]:hover { background: #8883 }
li:not([part~=unread]) [part=action]:first-child { opacity: 0.5 }
[part=item-actions] { display: flex; flex-wrap: wrap; flex: 1 0 100%; gap: 0.4rem; padding: 0 1.1rem 0.8rem; padding-inline-start: 1.9rem }
[part=item-action] { display: flex; align-items: center; min-height: 2.25rem; min-width: 2.75rem; padding: 0.25rem 0.8rem; border: 1px solid var(--bellhop-line); border-radius: 8px; background: var(--bellhop-surface); color: var(--bellhop-accent); font-size: 0.875rem; font-weight: 550; text-decoration: none; overflow-wrap: anywhere }
[part=item-action]:hover { border-color: currentColor; text-decoration: none }
@media (pointer: coarse) {
  [part=item-action] { min-height: 2.75rem }
}

@media (hover: hover) {
  li:not(:hover, :focus-within) [part=actions] { opacity: 0 }
}
@media (prefers-reduced-motion) {
  * { animation: none !important }
}
`;
