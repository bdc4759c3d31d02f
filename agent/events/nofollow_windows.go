package events

// noFollow is not needed where making a symbolic link is a privilege.
const noFollow = 0
