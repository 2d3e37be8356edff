'use strict';
'require view';
'require poll';
'require view.welcomed.lines as lines';

/* What the agent wrote to the system's log, the newest first. */

/* As many as a phone can show. */
const MOST = 200;

return view.extend({
	load: function() {
		return lines.load();
	},

	render: function(found) {
		const list = E('div', { 'id': 'welcomed-log' });
		const fill = (found) => {
			while (list.firstChild)
				list.removeChild(list.firstChild);

			list.appendChild(lines.render(found.slice(-MOST).reverse(), _('The agent has written nothing yet.')));
		};

		fill(found);
		poll.add(() => lines.load().then(fill));

		return E([], [
			E('h2', { 'name': 'content' }, [ _('Log') ]),
			E('div', { 'class': 'cbi-map-descr' }, [
				_('The last lines of the agent, the newest first. Settings say how much it writes.')
			]),
			list
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});

