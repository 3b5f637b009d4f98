// The style sheet of the element. The build removes white space and comments.
export default `
:host { display: block; color: var(--bellhop-text); line-height: 1.4 }
:host([theme]) { color-scheme: light dark }
:host([theme=light]) { color-scheme: light }
:host([theme=dark]) { color-scheme: dark }
:host([hidden]) { display: none }

* { box-sizing: border-box; margin: 0; padding: 0; border: 0 solid var(--bellhop-line, #8885); color: inherit; font: inherit }
input:disabled { opacity: 0.5 }
h2 { font-weight: 650 }
p { min-height: 2.5rem; color: var(--bellhop-muted, light-dark(#5d606c, #a9acb9)); font-size: 0.875rem }
label { position: relative; display: inline-flex; align-items: center; gap: 0.5rem }
[part~=row] { flex-wrap: wrap; display: flex; align-items: center; gap: 0.5rem 1rem; padding: 0.5rem 0; border-top-width: 1px }
[part=kind], [part=quiet] { flex: 1 }
input, button { appearance: none; height: 2.5rem; padding: 0.5rem; border-width: 1px; border-radius: 9px; background: var(--bellhop-surface, canvas) }
[type=radio] { position: absolute; inset: 0; height: auto }
[type=radio] + * { position: relative; padding: 0 1rem; border-radius: 9px; line-height: 2.5rem }
[role=switch] { display: flex; width: 3.5rem; height: 2.125rem; border-radius: 9rem }
[role=switch]::before { content: ""; border: 0.5rem solid; border-radius: 50% }
:checked, :checked + * { justify-content: end; background: var(--bellhop-accent, light-dark(#3a53c5, #9fb2ff)); color: var(--bellhop-surface, canvas); forced-color-adjust: none }
`;
