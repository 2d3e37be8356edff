'use strict';
'require baseclass';

/* Why a message is shown to nobody at this moment: the agent's reasons, in the language of the pages. */

const WAITS = {
	'waits until the router knows the time': () => _('waits until the router knows the time'),
	'waits for its image or page': () => _('waits for its image or page'),
	'begins later': () => _('begins later'),
	'is over': () => _('is over'),
	'is for other days or hours': () => _('is for other days or hours')
};

return baseclass.extend({
	/* A reason that is not known here is told as the agent tells it. */
	text: function(reason) {
		return WAITS[reason] ? WAITS[reason]() : reason;
	}
});
