'use strict';
'require baseclass';
'require uci';

/* The wireless networks of the router that can be shared: access points of /etc/config/wireless. */

function words(value) {
	return L.toArray(value).join(' ').split(/\s+/).filter((word) => word != '');
}

return baseclass.extend({
	/* Their sections, with what a person calls them. The texts are whatever somebody named a network. */
	list: function() {
		return uci.sections('wireless', 'wifi-iface').filter((s) => (s.mode ?? 'ap') == 'ap').map((s) => {
			const radios = words(s.device).map((name) => uci.get('wireless', name, 'band') ?? name);
			const isOff = s.disabled == '1' || words(s.device).some((n) => uci.get('wireless', n, 'disabled') == '1');

			return {
				section: s['.name'],
				ssid: s.ssid ?? '?',
				label: '%s (%s)%s%s'.format(s.ssid ?? '?', radios.join(', ') || s['.name'],
					isOff ? ' – ' + _('switched off') : '',
					/* UCI counts those, and counts anew when one is removed. */
					s['.anonymous'] ? ' – ' + _('its section has no name and may become another') : '')
			};
		});
	},

	/* A name for a network section made of an SSID, that no section has. */
	nameFor: function(ssid, taken) {
		const plain = ssid.normalize('NFD').replace(/[\u0300-\u036f]/g, '').toLowerCase();
		const base = plain.replace(/[^a-z0-9]+/g, '_').replace(/^_+|_+$/g, '').substring(0, 32) || 'guests';
		let name = base;

		for (let n = 2; taken.indexOf(name) > -1; n++)
			name = '%s_%d'.format(base, n);

		return name;
	}
});
