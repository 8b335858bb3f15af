//! Independent supervisors: how many votes a panel really has.
