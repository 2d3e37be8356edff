'use strict';
'require view';
'require form';
'require uci';
'require view.welcomed.rules as rules';

/* The section `main`: what matters first comes first, the rest is for those who know why. */

return view.extend({
	render: function() {
		let m, s, o;

		const path = (o, placeholder) => {
			o.placeholder = placeholder;
			o.validate = rules.path;
		};

		m = new form.Map('welcomed', _('Settings'));

		s = m.section(form.NamedSection, 'main', 'welcomed');
		s.tab('general', _('General'));
		s.tab('https', _('Own certificate'), _('With a name and a certificate of its own the router serves its pages over https, and phones believe its captive portal API.'));
		s.tab('storage', _('Storage'));
		s.tab('ports', _('Ports'));
		s.tab('system', _('System'), _('Where other programs of the router are found. There is seldom a reason to change anything here.'));

		o = s.taboption('general', form.Flag, 'enabled', _('Greet guests'), _('Off: the agent does nothing at all.'));
		o.rmempty = false;
		o.validate = function(section_id) {
			const isOn = this.formvalue(section_id) == this.enabled;

			return (isOn && !uci.sections('welcomed', 'network').length) ? _('Share a network first.') : true;
		};

		o = s.taboption('general', form.Value, 'timezone', _('Time zone'),
			_('Of the place, for messages with dates and hours. The router’s own if empty.'));
		o.placeholder = 'CET-1CEST,M3.5.0,M10.5.0/3';
		o.validate = rules.timezone;

		o = s.taboption('general', form.ListValue, 'clock', _('The clock is right'));
		o.value('ntp', _('once the Internet has set it'));
		o.value('system', _('always, e.g. because it has a battery'));
		rules.quiet(o, 'ntp');

		o = s.taboption('general', form.ListValue, 'log_level', _('Log'), _('The last two name devices.'));
		o.value('error', _('only what fails'));
		o.value('warn', _('what to look at'));
		o.value('info', _('changes'));
		o.value('debug', _('details'));
		o.value('trace', _('everything'));
		rules.quiet(o, 'info');

		o = s.taboption('https', form.Value, 'tls_name', _('Name'), _('It must lead to this router for guests. Certificate and key belong to it; without a name there are none.'));
		o.placeholder = 'welcome.cafe.example';
		o.validate = rules.hostName;

		o = s.taboption('https', form.FileUpload, 'tls_cert', _('Certificate'), _('With those above it (PEM).'));
		o.root_directory = '/etc/welcomed';
		o.depends('tls_name', /./);
		o.rmempty = false;
		o.validate = rules.path;

		o = s.taboption('https', form.FileUpload, 'tls_key', _('Key'), _('Its private key (PEM).'));
		o.root_directory = '/etc/welcomed';
		o.depends('tls_name', /./);
		o.rmempty = false;
		o.validate = rules.path;

		o = s.taboption('https', form.DynamicList, 'tls_listen', _('Addresses'), _('Where the pages are over https.'));
		o.depends('tls_name', /./);
		o.placeholder = '[::]:8912';
		o.validate = function(section_id, value) {
			return rules.socketOf(this.section.formvalue(section_id, 'tls_listen'), value);
		};

		o = s.taboption('storage', form.Value, 'state_dir', _('State'), _('Where the router’s own key is kept.'));
		path(o, '/etc/welcomed');

		o = s.taboption('storage', form.Value, 'cache_dir', _('Content'),
			_('Where messages, images and pages from the server are kept, so that they are there without it.'));
		path(o, '/etc/welcomed/content');

		o = s.taboption('storage', form.Value, 'cache_kib', _('Room for content (KiB)'), _('64 to 65536.'));
		o.placeholder = '512';
		o.datatype = 'uinteger';
		o.validate = rules.number(64, 65536);

		o = s.taboption('storage', form.Value, 'languages', _('More languages'),
			_('A directory with one file for each language of the pages. English and Chinese are built in.'));
		path(o, '/usr/share/welcomed/languages');

		o = s.taboption('ports', form.DynamicList, 'listen', _('Pages'),
			_('Where guests’ devices reach the messages. [::] takes IPv4 as well.'));
		o.placeholder = '[::]:8910';
		o.validate = function(section_id, value) {
			return rules.socketOf(this.section.formvalue(section_id, 'listen'), value);
		};

		o = s.taboption('ports', form.DynamicList, 'catch', _('Caught requests'),
			_('Where guests’ plain HTTP goes that modes splash and gate catch; all addresses with one port.'));
		o.placeholder = '[::]:8911';
		o.validate = function(section_id, value) {
			const right = rules.socketOf(this.section.formvalue(section_id, 'catch'), value);
			const ports = L.toArray(this.section.formvalue(section_id, 'catch')).concat(value || [])
				.map((address) => address.split(':').pop());

			if (right === true && ports.some((port) => port != ports[0]))
				return _('Expecting: the same port for all of them');

			return right;
		};

		o = s.taboption('system', form.ListValue, 'joins', _('Hear who joins'),
			_('By hostapd’s control sockets, or by ubus at the price of hearing every probe request, too.'));
		o.value('auto', _('by the control socket where there is one'));
		o.value('control', _('by the control socket'));
		o.value('ubus', _('by ubus'));
		rules.quiet(o, 'auto');

		o = s.taboption('system', form.Value, 'hostapd_dir', _('hostapd’s control sockets'));
		path(o, '/var/run/hostapd');

		o = s.taboption('system', form.Value, 'ubus_socket', _('Socket of ubus'));
		path(o, '/var/run/ubus/ubus.sock');

		o = s.taboption('system', form.Value, 'leases', _('dnsmasq’s leases'));
		path(o, '/tmp/dhcp.leases');

		o = s.taboption('system', form.Value, 'status_socket', _('Socket for “welcomed status”'));
		path(o, '/var/run/welcomed/status.sock');

		return m.render();
	}
});
