'use strict';
'require view';
'require form';
'require poll';
'require rpc';
'require uci';
'require view.welcomed.rules as rules';

/* The directory server, and how the agent stands with it. */

const callStatus = rpc.declare({
	object: 'welcomed',
	method: 'status',
	expect: { '': {} }
});

function describe(status) {
	const server = status.server ?? { link: 'gone' };
	const reports = status.reports ?? {};
	const words = {
		'gone': _('The agent is not running.'),
		'none': _('No server is configured; this router works alone.'),
		'connected': _('Connected.'),
		'away': _('Not connected: %s').format(server.reason ?? '?')
	};
	const lines = [ words[server.link] ?? server.link ];

	if (reports.waiting > 0)
		lines.push(_('Reports that wait for the server: %d.').format(reports.waiting));

	if (reports.dropped > 0)
		lines.push(_('Reports that were lost: %d.').format(reports.dropped));

	return lines.join(' ');
}

return view.extend({
	load: function() {
		return Promise.all([
			L.resolveDefault(callStatus(), {}),
			uci.load('welcomed')
		]);
	},

	render: function(data) {
		const state = E('p', { 'id': 'welcomed-link', 'role': 'status', 'style': 'overflow-wrap:anywhere' }, [ describe(data[0]) ]);
		let section = (uci.sections('welcomed', 'server')[0] ?? {})['.name'];
		let m, s, o;

		/* An empty one is none for the agent; it is written with the form alone. */
		section = section ?? uci.add('welcomed', 'server', 'server');

		m = new form.Map('welcomed', _('Server'),
			_('A directory lists your networks for apps and may send messages of its own. Without one this router greets guests all the same.'));

		s = m.section(form.NamedSection, section, 'server');

		o = s.option(form.Value, 'url', _('Address'), _('As its operator gave it to you. Leave it empty to work alone.'));
		o.placeholder = 'https://directory.example';
		o.validate = function(section_id, value) {
			const right = rules.server(section_id, value);
			const isLoopback = /^http:\/\/(localhost|127(\.\d+){3}|\[::1\])(:\d+)?\/?$/i.test(value ?? '');

			if (right === true && /^http:/.test(value ?? '') &&
			    !(isLoopback && this.section.formvalue(section_id, 'allow_plain_http') == '1'))
				return _('http:// is not protected; use https://');

			return right;
		};

		o = s.option(form.Value, 'token', _('Enrolment token'),
			_('The one-time token from the server’s operator; needed once. It is never shown again: leave this empty to keep what is there.'));
		o.password = true;
		o.depends('url', /./);
		o.placeholder = uci.get('welcomed', section, 'token') ? _('a token is there') : '';
		o.cfgvalue = () => null;
		o.write = function(section_id, value) {
			return uci.set('welcomed', section_id, 'token', value);
		};
		o.remove = function(section_id) {
			/* Empty means kept, but a token means nothing without a server. */
			if (!this.isActive(section_id))
				uci.unset('welcomed', section_id, 'token');
		};

		o = s.option(form.FileUpload, 'ca_file', _('Certificates'),
			_('Only for a server with a certificate of its own making: trust those in this file (PEM) in place of the system’s.'));
		o.root_directory = '/etc/welcomed';
		o.depends('url', /./);
		o.validate = rules.path;

		o = s.option(form.Flag, 'allow_plain_http', _('Allow http://'),
			_('For a server on this very router alone.'));
		o.depends('url', /^http:/);

		o = s.option(form.Flag, 'ownership', _('Prove ownership'),
			_('Your network may carry a name that the server has chosen for up to ten minutes, and then has its own again. Without that the server cannot know that it is yours.'));
		o.default = o.enabled;
		o.depends('url', /./);

		poll.add(() => L.resolveDefault(callStatus(), {}).then((status) => {
			state.textContent = describe(status);
		}));

		return m.render().then((nodes) => [
			nodes,
			E('div', { 'class': 'cbi-section' }, [ E('h3', {}, [ _('State') ]), state ])
		]);
	}
});
