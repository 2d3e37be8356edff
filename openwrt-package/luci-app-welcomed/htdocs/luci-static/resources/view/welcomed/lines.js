'use strict';
'require baseclass';
'require rpc';

/*
 * The agent's lines of the system's log, by the log daemon's own method. What is in a line may come from anybody on the
 * air: it is shown as text.
 */

const callLog = rpc.declare({
	object: 'log',
	method: 'read',
	params: [ 'lines', 'stream', 'oneshot' ],
	expect: { log: [] }
});

const SEVERITIES = [
	() => _('emergency'), () => _('alert'), () => _('critical'), () => _('error'),
	() => _('warning'), () => _('notice'), () => _('info'), () => _('debug')
];

return baseclass.extend({
	load: function() {
		return L.resolveDefault(callLog(1000, false, true), []).then((all) => all
			.map((line) => ({ line: line, parts: /^welcomed(?:\[\d+\])?: ([\s\S]*)$/.exec(line.msg ?? '') }))
			.filter((found) => found.parts != null)
			.map((found) => ({
				at: new Date(found.line.time),
				severity: (found.line.priority ?? 6) & 7,
				text: found.parts[1]
			})));
	},

	/* Those that a person should look at. */
	problems: function(found) {
		return found.filter((line) => line.severity <= 4);
	},

	render: function(found, nothing) {
		if (!found.length)
			return E('em', {}, [ nothing ]);

		return E('ul', { 'style': 'list-style:none;margin:0;padding:0' }, found.map((line) => E('li', {
			'style': 'margin:0;padding:.35em 0;color:inherit;border-bottom:1px solid rgba(128,128,128,.25);overflow-wrap:anywhere'
		}, [
			E('small', {}, [ '%s · '.format(line.at.toLocaleString()) ]),
			E('strong', {}, [ SEVERITIES[line.severity]() ]),
			E('span', { 'dir': 'auto' }, [ ' ' + line.text ])
		])));
	}
});
