'use strict';
'require view';
'require form';
'require rpc';
'require uci';
'require ui';
'require view.welcomed.preview as preview';
'require view.welcomed.rules as rules';
'require view.welcomed.say as say';
'require view.welcomed.waits as waits';

/* What guests are told: messages with their times and limits, the same in other languages. */

const callOffers = rpc.declare({
	object: 'welcomed',
	method: 'offers',
	expect: { offers: [] }
});

const DAYS = {
	mon: () => _('Monday'), tue: () => _('Tuesday'), wed: () => _('Wednesday'), thu: () => _('Thursday'),
	fri: () => _('Friday'), sat: () => _('Saturday'), sun: () => _('Sunday')
};

/* What a network is called on the air; its own name where that is not known. */
function airName(network) {
	const section = network ? rules.list(network, 'section')[0] : null;

	return (section ? uci.get('wireless', section, 'ssid') : null) ?? network ?? '…';
}

/* A preview beside the fields; it follows what is typed. */
const Preview = form.DummyValue.extend({
	renderWidget: function(section_id) {
		const value = (name) => this.section.formvalue(section_id, name) ?? uci.get('welcomed', section_id, name);
		const message = () => {
			const offer = uci.get('welcomed', section_id, 'offer');
			const own = {};

			[ 'title', 'text', 'link', 'image', 'image_alt', 'color', 'page' ].forEach((name) => {
				/* What does not depend on the language is the offer's own. */
				own[name] = value(name) ||
					(offer && name != 'title' && name != 'text' ? uci.get('welcomed', offer, name) : null);
			});

			return own;
		};
		const on = () => airName(L.toArray(value('network'))[0] ?? (uci.sections('welcomed', 'network')[0] ?? {})['.name']);
		const shown = preview.render(message(), on());

		this.map.previews = (this.map.previews ?? []).concat(() => shown.update(message(), on()));

		return E('div', { 'id': this.cbid(section_id) }, [
			E('p', { 'style': 'margin:0 0 .4em' }, [ _('As a guest’s phone shows it.') ]),
			shown.node
		]);
	}
});

/* The fields of a message that its translations have, too. */
function follow(o) {
	o.onchange = function() {
		(this.map.previews ?? []).forEach((update) => update());
	};

	return o;
}

function upload(o, right) {
	o.root_directory = '/etc/welcomed';
	o.enable_upload = true;
	o.enable_remove = true;
	o.modalonly = true;
	o.validate = right;

	return follow(o);
}

return view.extend({
	load: function() {
		return Promise.all([
			L.resolveDefault(callOffers(), []),
			uci.load('welcomed'),
			L.resolveDefault(uci.load('wireless'))
		]);
	},

	render: function(data) {
		const held = {};
		const networks = () => uci.sections('welcomed', 'network').map((n) => n['.name']);
		let m, s, o;

		data[0].filter((offer) => offer.sender == 'device').forEach((offer) => { held[offer.id] = offer; });

		m = new form.Map('welcomed', _('Messages'),
			_('What guests are shown when they join: one sentence is enough.'));

		s = m.section(form.GridSection, 'offer');
		s.addremove = true;
		s.anonymous = false;
		s.sortable = true;
		s.nodescriptions = true;
		s.addbtntitle = _('Write a message');
		s.modaltitle = (section_id) => _('Message %s').format(section_id);

		s.renderSectionPlaceholder = () => E('em', {}, [
			_('There is no message yet. Give it a short name, like hello, and press the button.')
		]);

		s.handleAdd = function(ev, name) {
			if (rules.name(null, name) !== true || uci.get('welcomed', name) != null)
				return ui.addNotification(null, E('p', {}, [ _('This name is taken or too long.') ]), 'warning');

			return form.GridSection.prototype.handleAdd.call(this, ev, name);
		};

		s.handleRemove = function(section_id, ev) {
			uci.sections('welcomed', 'translation').filter((t) => t.offer == section_id)
				.forEach((t) => uci.remove('welcomed', t['.name']));

			return form.GridSection.prototype.handleRemove.call(this, section_id, ev);
		};

		s.tab('message', _('Message'));
		s.tab('when', _('When'));
		s.tab('who', _('Who and how often'));

		o = s.taboption('message', form.Value, 'title', _('Title'), _('One line, up to 80 characters.'));
		o.rmempty = false;
		o.validate = rules.title;
		follow(o).textvalue = function(section_id) {
			return E('span', { 'dir': 'auto', 'style': 'overflow-wrap:anywhere' }, [ this.cfgvalue(section_id) ?? '' ]);
		};

		o = s.taboption('message', form.TextValue, 'text', _('Text'), _('The message, up to 2000 characters.'));
		o.modalonly = true;
		o.rows = 4;
		o.validate = rules.text;
		follow(o);

		o = s.taboption('message', form.Value, 'link', _('Link'), _('Where to read on.'));
		o.modalonly = true;
		o.placeholder = 'https://cafe.example/today';
		o.validate = rules.link;
		follow(o);

		o = s.taboption('message', form.FileUpload, 'image', _('Picture'),
			_('JPEG, PNG, WebP or GIF, at most 256 KiB.'));
		upload(o, rules.path);

		o = s.taboption('message', form.Value, 'image_alt', _('What the picture shows'),
			_('For those who cannot see it.'));
		o.modalonly = true;
		o.depends('image', /./);
		o.validate = rules.alt;
		follow(o);

		o = s.taboption('message', form.Value, 'color', _('Colour'), _('Of the heading and the link.'));
		o.modalonly = true;
		o.placeholder = '#0b5f6b';
		o.validate = rules.color;
		follow(o);

		o = s.taboption('message', form.FileUpload, 'page', _('Page of your own'),
			_('An HTML file in place of the text, at most 256 KiB. It is shown without script.'));
		upload(o, rules.path);

		o = s.taboption('message', form.Value, 'language', _('Language'),
			_('Which language this is in, like en. Needed only with translations.'));
		o.modalonly = true;
		o.validate = rules.language;

		o = s.taboption('message', form.Flag, 'enabled', _('Show it'));
		o.default = o.enabled;
		o.textvalue = function(section_id) {
			const why = (held[section_id] ?? {}).waits;

			if ((this.cfgvalue(section_id) ?? '1') != this.enabled)
				return E('span', {}, [ _('no') ]);

			return E('span', {}, [ why ? '%s: %s'.format(_('yes'), waits.text(why)) : _('yes') ]);
		};

		o = s.taboption('message', Preview, '_preview', _('Preview'));
		o.modalonly = true;

		o = s.taboption('who', form.MultiValue, 'network', _('Networks'), _('Where it is shown; on all if none is chosen.'));
		networks().forEach((name) => o.value(name));
		o.load = (section_id) => {
			const chosen = rules.list(section_id, 'network');

			return chosen.length ? chosen : null;
		};
		o.placeholder = _('all');
		o.validate = (section_id, value) => {
			const gone = L.toArray(value).join(' ').split(/\s+/).find((n) => n != '' && networks().indexOf(n) < 0);

			return gone ? _('There is no network %s').format(gone) : true;
		};
		o.textvalue = function(section_id) {
			return E('span', {}, [ L.toArray(this.cfgvalue(section_id)).join(', ') || _('all') ]);
		};

		o = s.taboption('who', form.ListValue, 'audience', _('For'));
		o.modalonly = true;
		o.value('everybody', _('everybody'));
		o.value('first', _('who is here for the first time today'));
		o.value('returning', _('who was here earlier today'));
		rules.quiet(o, 'everybody');

		o = s.taboption('who', form.Value, 'cap_per_visit', _('Times per visit'));
		o.modalonly = true;
		o.placeholder = '1';
		o.datatype = 'uinteger';
		o.validate = rules.number(1, 100);

		o = s.taboption('who', form.Value, 'cap_per_day', _('Times per day'),
			_('How often one device sees it in a day. As often as its visits allow if empty.'));
		o.modalonly = true;
		o.datatype = 'uinteger';
		o.validate = rules.number(1, 100);

		o = s.taboption('who', form.Value, 'priority', _('Priority'), _('0 to 100; the higher comes first.'));
		o.modalonly = true;
		o.placeholder = '50';
		o.datatype = 'uinteger';
		o.validate = rules.number(0, 100);

		o = s.taboption('when', form.Value, 'from', _('From'),
			_('The first day, or a day and a time. Dates wait until the router knows the time.'));
		o.modalonly = true;
		o.placeholder = '2026-12-01';
		o.validate = rules.moment;

		o = s.taboption('when', form.Value, 'until', _('Until'), _('The end of this day, or a time.'));
		o.modalonly = true;
		o.placeholder = '2026-12-24 18:00';
		o.validate = function(section_id, value) {
			const from = this.section.formvalue(section_id, 'from');
			const right = rules.moment(section_id, value);
			/* A day alone lasts to its end. */
			const key = (text, end) => text.replace('T', ' ') + (text.length == 10 ? end : '');

			if (right === true && value && from && rules.moment(section_id, from) === true &&
			    key(value, ' 24:00') <= key(from, ' 00:00'))
				return _('Expecting: later than the beginning');

			return right;
		};

		o = s.taboption('when', form.MultiValue, 'weekday', _('Days'), _('Every day if none is chosen.'));
		o.modalonly = true;
		o.placeholder = _('every day');
		o.load = (section_id) => {
			const days = rules.list(section_id, 'weekday');

			return days.length ? days : null;
		};
		Object.keys(DAYS).forEach((day) => o.value(day, DAYS[day]()));

		o = s.taboption('when', form.DynamicList, 'hours', _('Hours'),
			_('Spans like 08:00-12:00; past midnight counts as the day before. All day if empty, up to eight.'));
		o.modalonly = true;
		o.placeholder = '08:00-12:00';
		o.validate = function(section_id, value) {
			if (L.toArray(this.section.formvalue(section_id, 'hours')).length > 8)
				return _('Expecting: at most %d of them').format(8);

			return rules.hours(section_id, value);
		};

		s = m.section(form.GridSection, 'translation', _('Other languages'),
			_('The same message for guests whose phone speaks another language. Picture, link, colour and page are the message’s own unless they stand here as well.'));
		s.addremove = true;
		s.anonymous = true;
		s.nodescriptions = true;
		s.addbtntitle = _('Add a translation');
		s.modaltitle = () => _('Translation');
		s.renderSectionPlaceholder = () => E('em', {}, [ _('There are no translations.') ]);

		o = s.option(form.ListValue, 'offer', _('Message'));
		o.rmempty = false;
		/* Those of this page may be new. */
		o.renderWidget = function() {
			const offers = uci.sections('welcomed', 'offer');

			this.keylist = offers.map((offer) => offer['.name']);
			this.vallist = offers.map((offer) => '%s: %s'.format(offer['.name'], offer.title ?? ''));

			return form.ListValue.prototype.renderWidget.apply(this, arguments);
		};
		o.textvalue = function(section_id) {
			return E('span', {}, [ this.cfgvalue(section_id) ?? '' ]);
		};

		o = s.option(form.Value, 'language', _('Language'), _('A language tag like zh or de.'));
		o.rmempty = false;
		o.placeholder = 'zh';
		o.validate = function(section_id, value) {
			const offer = this.section.formvalue(section_id, 'offer') ?? uci.get('welcomed', section_id, 'offer');
			const others = uci.sections('welcomed', 'translation')
				.filter((t) => t['.name'] != section_id && t.offer == offer).map((t) => t.language);
			const all = others.concat(uci.get('welcomed', offer, 'language') ?? []).map((l) => (l ?? '').toLowerCase());

			if (value && all.indexOf(value.toLowerCase()) > -1)
				return _('The message is there in this language already');

			return rules.language(section_id, value);
		};

		o = s.option(form.Value, 'title', _('Title'));
		o.rmempty = false;
		o.validate = rules.title;
		follow(o).textvalue = function(section_id) {
			return E('span', { 'dir': 'auto', 'style': 'overflow-wrap:anywhere' }, [ this.cfgvalue(section_id) ?? '' ]);
		};

		o = s.option(form.TextValue, 'text', _('Text'));
		o.modalonly = true;
		o.rows = 4;
		o.validate = rules.text;
		follow(o);

		o = s.option(form.Value, 'link', _('Link'));
		o.modalonly = true;
		o.validate = rules.link;
		follow(o);

		o = s.option(form.FileUpload, 'image', _('Picture'));
		upload(o, rules.path);

		o = s.option(form.Value, 'image_alt', _('What the picture shows'));
		o.modalonly = true;
		o.depends('image', /./);
		o.validate = rules.alt;
		follow(o);

		o = s.option(form.Value, 'color', _('Colour'));
		o.modalonly = true;
		o.placeholder = '#0b5f6b';
		o.validate = rules.color;
		follow(o);

		o = s.option(form.FileUpload, 'page', _('Page of your own'));
		upload(o, rules.path);

		o = s.option(Preview, '_preview', _('Preview'));
		o.modalonly = true;

		return m.render().then((nodes) => [ nodes, say.render(networks(), m.readonly) ]);
	}
});
