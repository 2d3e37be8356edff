'use strict';
'require view';
'require form';
'require uci';
'require ui';
'require view.welcomed.rules as rules';
'require view.welcomed.wifi as wifi';

/* Which networks are shared, how far the agent goes there, and whose device is a guest's. */

const MODES = {
	app: () => _('app – only apps that ask hear of messages'),
	notify: () => _('notify – phones are told of the page and may show a notification'),
	splash: () => _('splash – the page opens once on its own, the Internet stays open'),
	gate: () => _('gate – the Internet opens after one tap on the page')
};

return view.extend({
	load: function() {
		return Promise.all([
			uci.load('welcomed'),
			L.resolveDefault(uci.load('wireless'))
		]);
	},

	render: function() {
		const known = wifi.list();
		let m, s, o;

		m = new form.Map('welcomed', _('Shared networks'),
			_('Each network that you share with guests. A guest network of its own, apart from your devices, is the best choice.'));

		s = m.section(form.GridSection, 'network');
		s.addremove = true;
		s.anonymous = false;
		s.nodescriptions = true;
		s.addbtntitle = _('Share a network');
		s.modaltitle = (section_id) => _('Network %s').format(section_id);

		s.renderSectionPlaceholder = () => E('em', {}, [
			_('No network is shared yet. Give it a short name, like cafe, and press the button.')
		]);

		s.handleAdd = function(ev, name) {
			if (rules.name(null, name) !== true || uci.get('welcomed', name) != null)
				return ui.addNotification(null, E('p', {}, [ _('This name is taken or too long.') ]), 'warning');

			return form.GridSection.prototype.handleAdd.call(this, ev, name);
		};

		/* A message for this network alone would be one for all networks without it. */
		s.handleRemove = function(section_id, ev) {
			const offers = uci.sections('welcomed', 'offer')
				.filter((offer) => rules.list(offer['.name'], 'network').indexOf(section_id) > -1)
				.map((offer) => offer['.name']);

			if (offers.length)
				return ui.addNotification(null, E('p', {}, [
					_('These messages are for this network; change them first: %s').format(offers.join(', '))
				]), 'warning');

			return form.GridSection.prototype.handleRemove.call(this, section_id, ev);
		};

		s.tab('network', _('Network'));
		s.tab('guests', _('Who is a guest'));
		s.tab('listing', _('Listing'));

		o = s.taboption('network', form.MultiValue, 'section', _('Wi-Fi networks'),
			_('The networks of this router that belong to it, usually one for each radio.'));
		known.forEach((w) => o.value(w.section, w.label));
		o.validate = function(section_id, value) {
			const ifnames = L.toArray(this.section.formvalue(section_id, 'ifname'));
			const others = uci.sections('welcomed', 'network').filter((n) => n['.name'] != section_id);
			const words = L.toArray(value).join(' ').split(/\s+/).filter((word) => word != '');

			if (!words.length && !ifnames.length)
				return _('Expecting: at least one Wi-Fi network');

			const taken = others.find((n) => rules.list(n['.name'], 'section').some((w) => words.indexOf(w) > -1));

			return taken ? _('One of them belongs to the shared network %s already').format(taken['.name']) : true;
		};
		o.load = (section_id) => rules.list(section_id, 'section');
		o.textvalue = function(section_id) {
			const texts = L.toArray(this.cfgvalue(section_id)).map((name) =>
				(known.find((w) => w.section == name) ?? { label: name }).label);

			return texts.length ? E('span', { 'dir': 'auto', 'style': 'overflow-wrap:anywhere' }, [ texts.join(', ') ]) : null;
		};

		o = s.taboption('network', form.DynamicList, 'ifname', _('Interfaces'),
			_('Only for routers whose Wi-Fi OpenWrt does not manage: the names of the interfaces.'));
		o.modalonly = true;
		o.validate = function(section_id, value) {
			const taken = uci.sections('welcomed', 'network')
				.find((n) => n['.name'] != section_id && rules.list(n['.name'], 'ifname').indexOf(value) > -1);

			if (value && taken)
				return _('One of them belongs to the shared network %s already').format(taken['.name']);

			return rules.ifname(section_id, value);
		};

		o = s.taboption('network', form.ListValue, 'mode', _('How guests are reached'),
			_('A lower mode is contained in each higher one. Without a server or a certificate of your own phones have nothing to be notified of; choose splash then.'));
		Object.keys(MODES).forEach((mode) => o.value(mode, MODES[mode]()));
		rules.quiet(o, 'notify');
		o.textvalue = function(section_id) {
			return E('span', {}, [ this.cfgvalue(section_id) ?? 'notify' ]);
		};

		o = s.taboption('network', form.Value, 'gate_minutes', _('Open for (minutes)'),
			_('For how long one tap opens the gate.'));
		o.modalonly = true;
		o.depends('mode', 'gate');
		o.placeholder = '720';
		o.datatype = 'uinteger';
		o.validate = rules.number(1, 10080);

		o = s.taboption('network', form.ListValue, 'gate_fail', _('If the agent fails'),
			_('What happens to guests then.'));
		o.modalonly = true;
		o.depends('mode', 'gate');
		o.value('open', _('they are online within two minutes'));
		o.value('closed', _('they wait until it is back'));
		rules.quiet(o, 'open');

		o = s.taboption('network', form.DynamicList, 'allow', _('Reachable before the tap'),
			_('Addresses or prefixes that guests may reach while the gate is closed.'));
		o.modalonly = true;
		o.depends('mode', 'gate');
		o.datatype = 'or(ip4addr, ip6addr, cidr4, cidr6)';
		o.placeholder = '192.0.2.0/24';

		o = s.taboption('guests', form.ListValue, 'credential', _('A guest is'));
		o.value('bss', _('everybody on this network'));
		o.value('passphrase', _('who has the guests’ passphrase; your own devices use yours'));
		o.value('keyid', _('who has a key of the wpa_psk_file that is named below'));
		rules.quiet(o, 'bss');
		o.textvalue = function(section_id) {
			const texts = { bss: _('everybody'), passphrase: _('by passphrase'), keyid: _('by key') };

			return E('span', {}, [ texts[this.cfgvalue(section_id) ?? 'bss'] ?? this.cfgvalue(section_id) ]);
		};

		o = s.taboption('guests', form.DynamicList, 'shared_keyid', _('Keys of guests'));
		o.modalonly = true;
		o.depends('credential', 'keyid');
		o.validate = function(section_id, value) {
			if (this.section.formvalue(section_id, 'unknown') != 'shared' &&
			    !L.toArray(this.section.formvalue(section_id, 'shared_keyid')).length && !value)
				return _('Nobody would be a guest; name a key, or let unknown keys be guests’');

			return rules.keyid(section_id, value);
		};

		o = s.taboption('guests', form.DynamicList, 'owner_keyid', _('Keys of your own devices'),
			_('They are left alone.'));
		o.modalonly = true;
		o.depends('credential', 'keyid');
		o.validate = function(section_id, value) {
			if (value && L.toArray(this.section.formvalue(section_id, 'shared_keyid')).indexOf(value) > -1)
				return _('This key is one of the guests’');

			return rules.keyid(section_id, value);
		};

		o = s.taboption('guests', form.ListValue, 'unknown', _('A key that nobody can tell'));
		o.modalonly = true;
		o.depends('credential', 'keyid');
		o.depends('credential', 'passphrase');
		o.value('owner', _('is one of yours'));
		o.value('shared', _('is a guest’s'));
		rules.quiet(o, 'owner');

		o = s.taboption('guests', form.Value, 'key', _('Passphrase of guests'),
			_('hostapd takes it beside your own one; OpenWrt 24.10 or newer with WPA2 (psk2) alone. Or the key that the server may hand out.'));
		o.modalonly = true;
		o.password = true;
		o.depends('credential', 'passphrase');
		o.depends('share_key', '1');
		o.validate = function(section_id, value) {
			const field = (name) => this.section.formvalue(section_id, name);
			const netifdHasIt = L.toArray(field('section')).length > 0 && field('credential') == 'bss';

			if (!value && (field('credential') == 'passphrase' || (field('share_key') == '1' && !netifdHasIt)))
				return _('Expecting: the passphrase of guests');

			return rules.passphrase(section_id, value);
		};

		o = s.taboption('guests', form.DynamicList, 'shared_key', _('More passphrases of guests'),
			_('For example last month’s, so that nobody has to type a new one at once. Up to seven.'));
		o.modalonly = true;
		o.depends('credential', 'passphrase');
		o.validate = function(section_id, value) {
			if (L.toArray(this.section.formvalue(section_id, 'shared_key')).length > 7)
				return _('Expecting: at most %d of them').format(7);

			return rules.passphrase(section_id, value);
		};

		o = s.taboption('listing', form.Flag, 'announce', _('List at the server'),
			_('The server learns the name and the addresses of this network on the air, so that apps can find it.'));
		o.modalonly = true;
		o.default = o.enabled;

		o = s.taboption('listing', form.Flag, 'share_key', _('Let the server hand out the key'),
			_('Careful: the passphrase leaves this router. Whoever the operator of the server allows can join your network with it, and it cannot be called back; you would have to change it. Never do this with a passphrase that your own devices use.'));
		o.modalonly = true;
		o.depends('announce', '1');

		o = s.taboption('listing', form.Value, 'place', _('Place'),
			_('Latitude and longitude, for those who look for networks nearby. Leave it empty to tell nobody.'));
		o.modalonly = true;
		o.placeholder = '48.1374,11.5755';
		o.validate = rules.place;

		o = s.taboption('listing', form.Value, 'captive_portal', _('Captive portal API'),
			_('Only if you run one yourself: phones are told of this address by DHCP option 114. It is put into the DHCP server’s configuration and taken out of it again.'));
		o.modalonly = true;
		o.placeholder = 'https://portal.example/api';
		o.validate = rules.portal;

		return m.render();
	}
});
