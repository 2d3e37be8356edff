'use strict';
'require baseclass';
'require form';
'require uci';
'require ui';
'require view.welcomed.rules as rules';
'require view.welcomed.wifi as wifi';

/* The first run: three steps, and one form that takes them. Steps that are done stay visible until all are. */

function shared() {
	return uci.sections('welcomed', 'network').length > 0;
}

function written() {
	return uci.sections('welcomed', 'offer').length > 0 || uci.sections('welcomed', 'server').some((s) => s.url);
}

function isOn() {
	return uci.get_bool ? uci.get_bool('welcomed', 'main', 'enabled') : uci.get('welcomed', 'main', 'enabled') == '1';
}

function renderStep(isDone, number, title, page) {
	return E('li', { 'style': 'padding:.3em 0;color:inherit' }, [
		isDone ? E('span', { 'aria-label': _('done'), 'role': 'img' }, [ '✔' ]) : E('span', {}, [ '%d.'.format(number) ]), ' ',
		page ? E('a', { 'href': L.url('admin/services/welcomed', page) }, [ title ]) : title
	]);
}

/* What the form's answers become. */
function configure(answers) {
	const chosen = L.toArray(answers.section);
	const names = wifi.list().filter((w) => chosen.indexOf(w.section) > -1);
	const taken = uci.sections('welcomed').map((s) => s['.name']);
	const network = wifi.nameFor(names.length ? names[0].ssid : '', taken);
	const offer = wifi.nameFor('hello', taken.concat(network));

	uci.add('welcomed', 'network', network);
	uci.set('welcomed', network, 'section', chosen);
	uci.set('welcomed', network, 'mode', answers.mode);

	if (answers.mode == 'notify')
		uci.unset('welcomed', network, 'mode');

	uci.add('welcomed', 'offer', offer);
	uci.set('welcomed', offer, 'title', answers.title);

	if (answers.text)
		uci.set('welcomed', offer, 'text', answers.text);

	if (uci.get('welcomed', 'main') == null)
		uci.add('welcomed', 'welcomed', 'main');

	uci.set('welcomed', 'main', 'enabled', '1');
}

return baseclass.extend({
	isOn: isOn,

	/* Whether nothing of it has been done. */
	isNew: function() {
		return !shared() && !written();
	},

	render: function() {
		if (shared() && written() && isOn())
			return Promise.resolve(E([]));

		const known = wifi.list();
		const steps = E('ol', { 'style': 'list-style:none;margin:0 0 1em;padding:0' }, [
			renderStep(shared(), 1, _('Choose the Wi-Fi that you share'), this.isNew() ? null : 'networks'),
			renderStep(written(), 2, _('Write a sentence for your guests'), this.isNew() ? null : 'offers'),
			renderStep(isOn(), 3, _('Switch greeting on'), this.isNew() ? null : 'settings')
		]);
		const frame = (nodes) => E('div', { 'class': 'cbi-section', 'id': 'welcomed-first' },
			[ E('h3', {}, [ _('Three steps to the first greeting') ]), steps ].concat(nodes));

		if (!this.isNew() || !L.hasViewPermission())
			return Promise.resolve(frame([]));

		if (!known.length)
			return Promise.resolve(frame([
				E('p', {}, [ _('This router has no Wi-Fi access point yet. Make one at Network → Wireless, best a guest network of its own.') ])
			]));

		return this.renderForm(known).then((nodes) => frame(nodes));
	},

	renderForm: function(known) {
		const answers = { first: { section: null, title: '', text: '', mode: 'splash' } };
		const m = new form.JSONMap(answers);
		const s = m.section(form.NamedSection, 'first');
		let o;

		o = s.option(form.MultiValue, 'section', _('Shared Wi-Fi'),
			_('Best a guest network of its own: everybody who joins it is greeted.'));
		o.rmempty = false;
		known.forEach((w) => o.value(w.section, w.label));
		o.validate = (section_id, value) => (value == null || value == '' || !value.length)
			? _('Expecting: at least one Wi-Fi network') : true;

		o = s.option(form.Value, 'title', _('Your sentence'));
		o.rmempty = false;
		o.placeholder = _('Welcome! Today coffee is half price.');
		o.validate = rules.title;

		o = s.option(form.TextValue, 'text', _('More, if you like'));
		o.rows = 3;
		o.validate = rules.text;

		o = s.option(form.ListValue, 'mode', _('How it reaches a phone'));
		o.value('splash', _('The page opens once on its own; the Internet stays open'));
		o.value('gate', _('The Internet opens after one tap on the page'));
		o.value('notify', _('A notification; needs a server or a certificate'));
		o.value('app', _('Only apps that ask'));

		return m.render().then((nodes) => [
			nodes,
			E('div', { 'class': 'cbi-page-actions' }, [
				E('button', {
					'class': 'btn cbi-button cbi-button-apply important',
					'click': ui.createHandlerFn(this, () => m.save(null, true).then(() => {
						configure(m.data.get('json', 'first'));

						return uci.save().then(() => ui.changes.apply(true));
					}).catch((error) => ui.addNotification(null, E('p', {}, [ error.message ]), 'warning')))
				}, [ _('Save & Apply') ])
			])
		]);
	}
});
