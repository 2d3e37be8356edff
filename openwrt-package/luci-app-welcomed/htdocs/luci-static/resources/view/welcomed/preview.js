'use strict';
'require baseclass';

/*
 * A message as a guest's phone shows it: the same document as the router serves, in a frame of a phone's size, sandboxed
 * as far as a frame can be. The style is the agent's own; a test holds the two together. Images are on the router, where
 * a browser cannot see them before they are served: their description stands in their place.
 */

const STYLE = [
	':root{color-scheme:light dark;--ground:#f5f2eb;--glow:#d5e9e8;--sheet:#ffffff;--ink:#1d2422;--soft:#55605c;--edge:#e2dccf;--fill:#0b5f6b;--on:#ffffff;--accent:#0b5f6b;--good:#1c6a3b;--warn:#8a4707}',
	'@media(prefers-color-scheme:dark){:root{--ground:#111615;--glow:#12353a;--sheet:#1b2221;--ink:#edf2f0;--soft:#a5b0ac;--edge:#303a38;--fill:#8ad3dc;--on:#05262b;--accent:#8ad3dc;--good:#82d29f;--warn:#f1ba7b}}',
	'*{box-sizing:border-box}',
	'html{-webkit-text-size-adjust:100%;text-size-adjust:100%}',
	'body{margin:0;min-height:100vh;background:radial-gradient(60rem 26rem at 50% -6rem,var(--glow),transparent) no-repeat var(--ground);color:var(--ink);font:1.0625rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}',
	'main{max-width:35rem;margin:0 auto;padding:2.75rem 1.125rem 2.5rem}',
	'header{text-align:center;margin:0 0 1.75rem}',
	'header svg{display:block;width:min(4rem,22vw);height:min(4rem,22vw);padding:min(.9rem,5vw);margin:0 auto 1.1rem;border-radius:1.35rem;background:var(--fill);color:var(--on);box-shadow:0 .6rem 1.6rem -.7rem var(--fill)}',
	'h1,h2,p{overflow-wrap:anywhere}',
	'h1{margin:0;font-size:1.9rem;line-height:1.2;font-weight:720;letter-spacing:-.015em;text-wrap:balance}',
	'h1 small{display:block;margin:0 0 .15rem;font-size:1.0625rem;font-weight:450;letter-spacing:0;color:var(--soft)}',
	'.state{display:flex;flex-wrap:wrap;justify-content:center;gap:0 .4em;text-wrap:balance;margin:.9rem 0 0;color:var(--soft);font-size:.975rem}',
	'.state b{font-weight:620;color:var(--good)}',
	'.state.bad b{color:var(--warn)}',
	'.state.bad b::before{display:none}',
	'.state b::before{content:"";display:inline-block;width:.5em;height:.5em;margin-inline-end:.5em;border-radius:50%;background:currentColor;vertical-align:.08em}',
	'article{margin:0 0 1.125rem;background:var(--sheet);border:1px solid var(--edge);border-radius:1.25rem;overflow:hidden;box-shadow:0 1px 2px #0000000a,0 .75rem 2rem -1.25rem #00000038}',
	'article>div{padding:1.35rem 1.35rem 1.4rem}',
	'article img{display:block;width:100%;height:auto;max-height:70vh;object-fit:cover;background:var(--edge)}',
	'article iframe{display:block;width:100%;height:min(70vh,26rem);border:0;border-top:1px solid var(--edge);background:#fff;color-scheme:light}',
	'h2{margin:0;font-size:1.4rem;line-height:1.25;font-weight:680;letter-spacing:-.01em;color:var(--accent);text-wrap:balance}',
	'article p{margin:.6rem 0 0;white-space:pre-line}',
	'article .from{margin:0 0 .35rem;font-size:.875rem;color:var(--soft)}',
	'.more{margin-top:1.1rem}',
	'a,button{font:inherit;font-weight:620;border-radius:.95rem}',
	'a{display:inline-flex;flex-wrap:wrap;align-items:baseline;gap:0 .5em;max-width:100%;padding:.7rem 1.15rem;background:var(--fill);color:var(--on);text-decoration:none}',
	'a bdi{font-weight:450;font-size:.925em}',
	'form{margin:0}',
	'button{display:block;width:100%;min-height:3.25rem;padding:.7rem 1.15rem;border:0;background:var(--fill);color:var(--on);cursor:pointer;-webkit-appearance:none;appearance:none}',
	'button.quiet{min-height:2.75rem;background:none;color:var(--soft);font-weight:500;font-size:.975rem;text-decoration:underline;text-decoration-color:var(--edge);text-underline-offset:.25em}',
	'a:hover,button:hover{filter:brightness(1.06)}',
	'button.quiet:hover{color:var(--ink)}',
	':focus-visible{outline:3px solid var(--accent);outline-offset:3px}',
	'.act{position:sticky;bottom:0;margin:0 -1.125rem;padding:1.1rem 1.125rem max(.9rem,env(safe-area-inset-bottom));background:linear-gradient(transparent,var(--ground) 1.1rem)}',
	'.act p,.note{margin:0 0 .7rem;text-align:center;color:var(--soft);text-wrap:balance}',
	'.note{margin:0 0 1.25rem}',
	'@media(max-height:32rem){.act{position:static;background:none}}',
	'@media(min-width:44rem){main{padding-top:4.5rem}h1{font-size:2.3rem}.act{position:static;background:none}}'
].join('');

const MARK = '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" aria-hidden="true"><path d="M2 9a15 15 0 0 1 20 0M5.5 12.8a9.8 9.8 0 0 1 13 0M9 16.5a4.6 4.6 0 0 1 6 0M12 20h.01"/></svg>';

/* Between tags and in quoted attributes. */
function escape(text) {
	return String(text ?? '').replace(/[&<>"']/g, (c) => '&#%d;'.format(c.charCodeAt(0)));
}

function channels(color) {
	return [ 1, 3, 5 ].map((at) => parseInt(color.substring(at, at + 2), 16));
}

/* WCAG 2's relative luminance, and the contrast of two colours. */
function luminance(color) {
	const [ r, g, b ] = channels(color).map((c) => c / 255)
		.map((c) => (c <= 0.04045) ? c / 12.92 : Math.pow((c + 0.055) / 1.055, 2.4));

	return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
	const [ a, b ] = [ luminance(one), luminance(other) ];

	return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function on(ground) {
	return contrast('#ffffff', ground) >= contrast('#000000', ground) ? '#ffffff' : '#000000';
}

/* The colour, made darker or lighter in steps of a twentieth until it can be read on a ground. */
function readable(color, ground) {
	const towards = on(ground);

	for (let step = 0; step <= 20; step++) {
		const mixed = '#' + channels(color).map((c, i) => {
			const value = Math.floor((c * (20 - step) + channels(towards)[i] * step) / 20);

			return '%02x'.format(value);
		}).join('');

		if (contrast(mixed, ground) >= 4.5)
			return mixed;
	}

	return towards;
}

function paint(color) {
	if (!/^#[0-9A-Fa-f]{6}$/.test(color ?? ''))
		return '';

	return 'article{--fill:%s;--on:%s;--accent:%s}'.format(color, on(color), readable(color, '#ffffff')) +
		'@media(prefers-color-scheme:dark){article{--accent:%s}}'.format(readable(color, '#1b2221'));
}

/* Where a link leads: what a person can judge of it. */
function host(link) {
	return link.replace(/^[a-z]+:\/\//, '').split(/[\/?#\\]/)[0].split('@').pop();
}

/* The document for `message`: title, text, link, image, image_alt, color, page; and the name of the network. */
function document_of(message, network) {
	const picture = message.image
		? '<p class="note" style="padding:2.5rem 1rem;margin:0;background:var(--edge)">%s</p>'
			.format(escape(message.image_alt || message.image.split('/').pop())) : '';
	const text = message.page
		? '<p>%s</p>'.format(escape(_('Here stands your page: %s').format(message.page)))
		: (message.text ? '<p dir="auto">%s</p>'.format(escape(message.text)) : '');
	const more = message.link
		? '<p class="more"><a>%s <bdi dir="ltr">%s</bdi></a></p>'
			.format(escape(_('Read more')), escape(host(message.link))) : '';

	return '<!DOCTYPE html><html><head><meta charset="utf-8"><style>' + STYLE + paint(message.color) +
		'</style></head><body><main><header>' + MARK + '<h1><small>' + escape(_('Welcome to')) + '</small> <bdi>' +
		escape(network) + '</bdi></h1></header><article>' + picture + '<div><h2 dir="auto">' +
		escape(message.title || '…') + '</h2>' + text + more + '</div></article></main></body></html>';
}

return baseclass.extend({
	/* A frame that shows `message`; call `update` of the result with another one. */
	render: function(message, network) {
		const frame = E('iframe', {
			'class': 'welcomed-preview',
			'sandbox': '',
			'title': _('Preview on a phone'),
			'tabindex': '-1',
			'style': 'display:block;box-sizing:border-box;width:100%;max-width:360px;height:520px;border:8px solid #333;border-radius:28px;background:#fff'
		});

		const update = (message, network) => { frame.srcdoc = document_of(message, network); };

		update(message, network);

		return { node: frame, update: update };
	}
});
