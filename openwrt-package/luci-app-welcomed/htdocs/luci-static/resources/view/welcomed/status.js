'use strict';
'require view';
'require dom';
'require poll';
'require rpc';
'require uci';
'require ui';
'require view.welcomed.first as first';
'require view.welcomed.lines as lines';
'require view.welcomed.waits as waits';

/*
 * How each shared network stands, step by step, live. While nothing is configured: what to do, in three steps, and one
 * short form that does it. Names on the air are whatever somebody chose: they are shown as text.
 */

const callStatus = rpc.declare({
	object: 'welcomed',
	method: 'status',
	reject: true
});

const SENDERS = {
	device: () => _('this router'),
	sharer: () => _('you, at the server'),
	server: () => _('the server’s operator')
};

const ACCESS = {
	open: () => _('online'),
	catch: () => _('sees the page next'),
	held: () => _('waits at the gate')
};

/* One step of a network: whether it is done (true), not to be done (null) or missing (false), and what there is to say. */
function step(isDone, title, text) {
	const [ sign, word ] = (isDone === true) ? [ '✔', _('done') ] : (isDone === null) ? [ '–', _('not needed') ] : [ '✘', _('missing') ];

	return E('li', {
		'class': 'welcomed-step',
		'style': 'display:flex;gap:.6em;padding:.3em 0;color:inherit;overflow-wrap:anywhere'
	}, [
		E('span', { 'aria-label': word, 'role': 'img', 'style': 'flex:none;width:1em' }, [ sign ]),
		E('span', { 'style': 'min-width:0' }, [ E('strong', {}, [ title ]), ' ', E('span', {}, Array.isArray(text) ? text : [ text ]) ])
	]);
}

function channel(freq) {
	if (!freq)
		return '';

	return ', %s MHz'.format(freq);
}

function onAir(network) {
	if (!network.bss.length)
		return _('hostapd has none of its interfaces. Is this Wi-Fi switched on?');

	return network.bss.map((bss, i) => E('span', {}, [
		(i ? '; ' : '') + '“', E('bdi', {}, [ bss.ssid ]),
		'” · %s (%s%s)'.format(bss.ifname, bss.bssid, channel(bss.freq))
	]));
}

function announced(network, server) {
	if (!network.announced || server.link == 'none')
		return [ null, network.announced ? _('There is no server; this router works alone.') : _('This network is not to be listed.') ];

	return (server.link == 'connected')
		? [ true, _('The server knows it.') ]
		: [ false, _('To be listed when the server is reached.') ];
}

/* The server says whether somebody else has heard this network; one that says nothing has not verified it. */
function verified(network, server) {
	const state = network.verified;

	if (!network.announced || server.link == 'none')
		return [ null, _('Only a server can verify that this network is yours.') ];

	if (state == 'verified')
		return [ true, _('Somebody else has heard it on the air.') ];

	if (network.challenge_s != null)
		return [ false, _('It carries a name of the server’s to be heard, for %d more seconds.').format(network.challenge_s) ];

	const words = {
		'challenged': _('Not verified: the server waits for somebody who hears it.'),
		'conflict': _('Not verified: somebody else says that it is theirs.'),
		'refused': _('Not verified: its name asks for it to be in no directory.'),
		'expired': _('Not verified: that was too long ago.')
	};

	return [ false, words[state] ?? _('Not verified: the server has not said so yet.') ];
}

function renderNetwork(id, network, server) {
	const greeted = network.greeted_today ?? 0;
	const steps = [
		step(network.bss.length > 0, _('On the air:'), onAir(network)),
		step.apply(null, [ announced(network, server)[0], _('Announced:'), announced(network, server)[1] ]),
		step.apply(null, [ verified(network, server)[0], _('Verified:'), verified(network, server)[1] ]),
		step(network.stations > 0 ? true : null, _('Here now:'),
			N_(network.stations, '%d device', '%d devices').format(network.stations) + ', ' +
			N_(network.guests, '%d of them a guest', '%d of them guests').format(network.guests)),
		step(greeted > 0 ? true : null, _('Greeted today:'), String(greeted))
	];

	return E('div', { 'class': 'cbi-section', 'data-network': id }, [
		E('h3', {}, [ _('Network %s').format(id) ]),
		E('ul', { 'style': 'list-style:none;margin:0;padding:0' }, steps)
	]);
}

function renderList(title, items, nothing) {
	return E('div', { 'class': 'cbi-section' }, [
		E('h3', {}, [ title ]),
		items.length ? E('ul', { 'style': 'overflow-wrap:anywhere' }, items.map((item) =>
			E('li', { 'style': 'color:inherit' }, Array.isArray(item) ? item : [ item ]))) : E('em', {}, [ nothing ])
	]);
}

function renderVisits(status) {
	const guests = (status.sessions ?? []).filter((visit) => visit.guest && visit.on_air);
	const items = guests.slice(0, 50).map((visit) => {
		const seen = visit.offers.filter((offer) => offer.shown > 0).length;
		const parts = [
			_('%s, since %s').format(visit.network, new Date(visit.heard_at * 1000).toLocaleTimeString()),
			ACCESS[visit.access] ? ACCESS[visit.access]() : visit.access,
			visit.declined ? _('wants no messages') : _('%d of %d messages seen').format(seen, visit.offers.length)
		];

		return parts.join(' · ');
	});

	if (guests.length > 50 || status.truncated)
		items.push(_('and more'));

	return renderList(_('Guests'), items, _('No guest is here at this moment.'));
}

function renderOffers(status) {
	const items = status.offers.map((offer) => {
		const from = SENDERS[offer.sender] ? SENDERS[offer.sender]() : offer.sender;
		const state = offer.waits ? waits.text(offer.waits) : _('ready');

		/* What turns its text around turns nothing else. */
		return [ '“', E('bdi', {}, [ offer.title ]), '” (%s): %s'.format(from, state) ];
	});

	return renderList(_('Messages'), items, _('There is none; nobody is greeted until there is one.'));
}

function notices(status) {
	const found = [];
	const server = status.server ?? {};
	const reports = status.reports ?? {};

	if (status.firewall)
		found.push(_('Guests are not caught or held as they should be: %s').format(status.firewall));

	if (server.link == 'away')
		found.push(_('The server is not reached: %s').format(server.reason ?? '?'));

	if (reports.waiting > 0)
		found.push(_('Reports that wait for the server: %d.').format(reports.waiting));

	if (reports.dropped > 0)
		found.push(_('Reports that were lost: %d.').format(reports.dropped));

	return found;
}

function warning(text) {
	return E('div', { 'class': 'alert-message warning', 'style': 'overflow-wrap:anywhere' }, [ E('p', {}, [ text ]) ]);
}

function renderStatus(status, log) {
	const problems = lines.problems(log).slice(-5).reverse();
	const nodes = [];

	if (status == null && first.isNew())
		return nodes;

	if (status == null)
		nodes.push(warning(first.isOn()
			? _('The agent is switched on and does not run. What is missing stands in the log.')
			: _('Greeting is switched off.')));
	else {
		notices(status).forEach((text) => nodes.push(warning(text)));
		Object.keys(status.networks).forEach((id) =>
			nodes.push(renderNetwork(id, status.networks[id], status.server ?? { link: 'none' })));
		nodes.push(renderOffers(status), renderVisits(status));
	}

	if (problems.length)
		nodes.push(E('div', { 'class': 'cbi-section' }, [
			E('h3', {}, [ _('Recent problems') ]),
			lines.render(problems, '')
		]));

	return nodes;
}

return view.extend({
	load: function() {
		return Promise.all([
			L.resolveDefault(callStatus(), null),
			lines.load(),
			uci.load('welcomed'),
			L.resolveDefault(uci.load('wireless')),
			L.resolveDefault(uci.load('dhcp'))
		]);
	},

	render: function(data) {
		const live = E('div', { 'id': 'welcomed-status' }, renderStatus(data[0], data[1]));

		poll.add(() => Promise.all([ L.resolveDefault(callStatus(), null), lines.load() ])
			.then((data) => dom.content(live, renderStatus(data[0], data[1]))));

		return first.render().then((begin) => E([], [
			E('h2', { 'name': 'content' }, [ _('Welcome') ]),
			E('div', { 'class': 'cbi-map-descr' }, [
				_('Greets the guests of a Wi-Fi that you share: whoever joins finds your message on the screen.')
			]),
			begin,
			live,
			this.renderPing()
		]));
	},

	/* dnsmasq tries an address for three seconds before it gives it away for the first time. */
	renderPing: function() {
		const section = (uci.sections('dhcp', 'dnsmasq')[0] ?? {});
		const isOff = section.noping == '1';

		if (!section['.name'] || isOff || first.isNew() || !L.hasViewPermission())
			return E([]);

		return E('div', { 'class': 'cbi-section', 'id': 'welcomed-ping' }, [
			E('h3', {}, [ _('Greet new phones three seconds sooner') ]),
			E('p', {}, [
				_('Before a phone gets its first address the DHCP server makes sure that nobody else uses it, and waits three seconds for an answer. Where nobody sets addresses by hand this can be left out.')
			]),
			E('button', {
				'class': 'btn cbi-button cbi-button-action',
				'click': ui.createHandlerFn(this, () => {
					uci.set('dhcp', section['.name'], 'noping', '1');

					return uci.save().then(() => ui.changes.apply(true));
				})
			}, [ _('Switch the check off') ])
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
