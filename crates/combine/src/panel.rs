//! Panels: several judge, and where they do not agree, one above them is asked.
//!
//! ```text
//! agreement = (members whose likeliest answer is the most frequent one) / (all members)
//! agreement ≥ least:  the members' probabilities become one        else:  what the one above says
//! ```
//!
//! A member whose judgement failed agrees with nobody, and is in the denominator. A tie for the most frequent answer is no
//! agreement, whatever is asked for.
//! Members who err alike agree where they are wrong: what is not escalated has the errors that no disagreement shows
//! (`trimtab_stats::DisagreementAlarm` measures them).
//!
//! In: members, and who is above them. Out: judgements, each with the cost of all who were asked; [`Panel::rule`] says which were
//! escalated.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::{ConfigError, require};
use trimtab_core::{
    Cost, Distribution, Fitted, Judgement, Lesson, Provenance, Question, Student, Supervisor,
    SupervisorError, Verdict,
};

use crate::ensemble::{Combine, combine};
use crate::fitting::Fitting;

/// When a panel speaks for itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Escalation {
    /// The share of members that must give one answer; 1 for all.
    pub least_agreement: f64,
    /// How the members' probabilities become one where they agree.
    pub combine: Combine,
}

impl Default for Escalation {
    fn default() -> Self {
        Self {
            least_agreement: 1.0,
            combine: Combine::Mean,
        }
    }
}

impl Escalation {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        let fits = self.least_agreement > 0.0 && self.least_agreement <= 1.0;
        let expected = "a share of the members, above 0 and at most 1";
        require("least-agreement", self.least_agreement, fits, expected)
    }
}

/// A panel with one above it.
pub struct Panel {
    name: String,
    members: Vec<Box<dyn Supervisor>>,
    above: Box<dyn Supervisor>,
    escalation: Escalation,
}

/// Who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoke {
    /// The members agreed.
    Members,
    /// They did not, and the one above was asked.
    Above,
}

/// A judgement, and who spoke it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ruling {
    /// What was said, at the cost of all who were asked.
    pub judgement: Judgement,
    /// Who said it.
    pub spoke: Spoke,
    /// The members' agreement.
    pub agreement: f64,
}

impl Panel {
    /// A panel of `members` under `above`.
    ///
    /// # Panics
    ///
    /// When there is no member: a bug in the caller.
    pub fn new(
        name: String,
        members: Vec<Box<dyn Supervisor>>,
        above: Box<dyn Supervisor>,
        escalation: Escalation,
    ) -> Self {
        assert!(!members.is_empty(), "a panel of nobody");
        Self {
            name,
            members,
            above,
            escalation,
        }
    }

    /// Judges, and says what was escalated.
    ///
    /// # Errors
    ///
    /// [`SupervisorError`] when one of those who are asked cannot judge at all.
    pub fn rule(&self, questions: &[Question]) -> Result<Vec<Ruling>, SupervisorError> {
        let opinions = self
            .members
            .iter()
            .map(|member| member.judge(questions))
            .collect::<Result<Vec<_>, _>>()?;
        let mut rulings = Vec::with_capacity(questions.len());
        let mut open = Vec::new();
        for (i, question) in questions.iter().enumerate() {
            let given: Vec<&Judgement> = opinions.iter().map(|opinion| &opinion[i]).collect();
            let decided: Vec<&Distribution> = (given.iter())
                .filter_map(|judgement| judgement.verdict.decided())
                .collect();
            let mut votes = vec![0_usize; question.answers.len()];
            for distribution in &decided {
                votes[distribution.answer().0] += 1;
            }
            let most = votes.iter().copied().max().unwrap_or(0);
            let is_alone = most > 0 && votes.iter().filter(|n| **n == most).count() == 1;
            let agreement = most as f64 / self.members.len() as f64;
            let agrees = is_alone && agreement >= self.escalation.least_agreement;
            let (verdict, spoke) = if agrees {
                let verdict = Verdict::Decided(combine(self.escalation.combine, &decided));
                (verdict, Spoke::Members)
            } else {
                open.push(i);
                // Until the one above has spoken.
                (given[0].verdict.clone(), Spoke::Above)
            };
            let cost = (given.iter()).fold(Cost::default(), |sum, given| sum + given.cost);
            rulings.push(Ruling {
                judgement: Judgement {
                    id: question.id.clone(),
                    verdict,
                    cost,
                },
                spoke,
                agreement,
            });
        }
        if !open.is_empty() {
            let asked: Vec<Question> = open.iter().map(|&i| questions[i].clone()).collect();
            for (i, said) in open.into_iter().zip(self.above.judge(&asked)?) {
                let judgement = &mut rulings[i].judgement;
                judgement.verdict = said.verdict;
                judgement.cost = judgement.cost + said.cost;
            }
        }
        Ok(rulings)
    }
}

impl Supervisor for Panel {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let rulings = self.rule(questions)?.into_iter();
        Ok(rulings.map(|ruling| ruling.judgement).collect())
    }

    fn provenance(&self) -> Provenance {
        (self.members.iter())
            .chain([&self.above])
            .map(|member| member.provenance())
            .max()
            .unwrap_or(Provenance::Judged)
    }
}

/// A panel before its members, and the one above, have learnt: all the same lesson.
pub struct PanelStudent {
    /// What it is called.
    pub name: String,
    /// Who judges first; one at least.
    pub members: Vec<Box<dyn Student>>,
    /// Who is asked where they do not agree.
    pub above: Box<dyn Student>,
    /// When that is.
    pub escalation: Escalation,
}

impl Student for PanelStudent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        let mut learnt = Vec::with_capacity(self.members.len() + 1);
        let mut fitting = Fitting::begun();
        for (i, student) in self.members.iter().chain([&self.above]).enumerate() {
            let name = if i < self.members.len() {
                format!("member {i}")
            } else {
                "above".to_owned()
            };
            let workplace = lesson.workplace.within(&name);
            let fitted = student.learn(&Lesson {
                seed: lesson.seed.child(&name),
                workplace: &workplace,
                ..*lesson
            })?;
            fitting.add(&fitted, self.members.len() + 1);
            learnt.push(fitted.student);
        }
        let above = learnt.split_off(self.members.len()).remove(0);
        let panel = Panel::new(self.name.clone(), learnt, above, self.escalation);
        Ok(fitting.of(Box::new(panel)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_core::{Seed, TrainingLabels, Workplace};

    use super::*;
    use crate::parts::{Is, Learns, Says, key, lesson_of, questions};

    fn panel(members: Vec<Says>, least_agreement: f64) -> Panel {
        let members = (members.into_iter())
            .map(|member| Box::new(member) as Box<dyn Supervisor>)
            .collect();
        let escalation = Escalation {
            least_agreement,
            ..Escalation::default()
        };
        Panel::new(
            "panel".into(),
            members,
            Box::new(Says::sure(1.0)),
            escalation,
        )
    }

    fn ruling(members: Vec<Says>, least_agreement: f64) -> Ruling {
        let rulings = panel(members, least_agreement).rule(&questions(1));
        rulings.unwrap().remove(0)
    }

    fn p_yes(ruling: &Ruling) -> f64 {
        ruling.judgement.verdict.decided().unwrap().probabilities()[1]
    }

    #[test]
    fn members_speak_where_they_agree_and_the_one_above_where_they_do_not() {
        let agreed = ruling(vec![Says::sure(0.2), Says::sure(0.4)], 1.0);
        assert_eq!(
            (agreed.spoke, agreed.judgement.cost.judge_calls),
            (Spoke::Members, 2)
        );
        assert!((p_yes(&agreed) - 0.3).abs() < 1e-12);
        let split = ruling(vec![Says::sure(0.2), Says::sure(0.6)], 1.0);
        assert_eq!(
            (split.spoke, split.judgement.cost.judge_calls),
            (Spoke::Above, 3)
        );
        assert_eq!((p_yes(&split), split.agreement), (1.0, 0.5));
        let two_of_three = || vec![Says::sure(0.2), Says::sure(0.2), Says::sure(0.9)];
        assert_eq!(ruling(two_of_three(), 0.6).spoke, Spoke::Members);
        assert_eq!(ruling(two_of_three(), 0.7).spoke, Spoke::Above);
    }

    #[test]
    fn a_failure_is_no_agreement_and_neither_is_a_tie() {
        let failed = ruling(vec![Says::sure(0.2), Says::refuses()], 1.0);
        assert_eq!((failed.spoke, failed.agreement), (Spoke::Above, 0.5));
        let tie = ruling(vec![Says::sure(0.2), Says::sure(0.9)], 0.5);
        assert_eq!(tie.spoke, Spoke::Above);
        let nobody = ruling(vec![Says::refuses(), Says::refuses()], 0.5);
        assert_eq!((nobody.spoke, nobody.agreement), (Spoke::Above, 0.0));
    }

    #[test]
    fn what_the_one_above_refuses_stays_refused() {
        let panel = Panel::new(
            "panel".into(),
            vec![Box::new(Says::sure(0.2)), Box::new(Says::sure(0.9))],
            Box::new(Says::refuses()),
            Escalation::default(),
        );
        let judged = panel.judge(&questions(1)).unwrap();
        assert!(matches!(judged[0].verdict, Verdict::Refused { .. }));
    }

    #[test]
    fn all_learn_and_the_panel_judges() {
        let questions = questions(10);
        let labels = TrainingLabels::from_key(&questions, &key(&questions)).unwrap();
        let learns = Learns::default();
        let seen = learns.seen.clone();
        let student = PanelStudent {
            name: "panel".into(),
            members: vec![Box::new(learns), Box::new(Is(|| Says::sure(0.2)))],
            above: Box::new(Is(|| Says::sure(0.7))),
            escalation: Escalation::default(),
        };
        let lesson = lesson_of(&questions, &labels, Seed(1), Workplace::none());
        let fitted = student.learn(&lesson).unwrap();
        assert_eq!(seen.lock().unwrap().0.len(), 10);
        let judged = fitted.student.judge(&questions).unwrap();
        assert!(judged.iter().zip(&questions).all(|(j, q)| j.id == q.id));
        let first = judged[0].verdict.decided().unwrap();
        assert!((first.probabilities()[1] - 0.7).abs() < 1e-12);
    }

    #[test]
    fn a_share_that_is_none_is_named() {
        let bad = Escalation {
            least_agreement: 0.0,
            ..Escalation::default()
        };
        assert!(
            bad.check()
                .unwrap_err()
                .to_string()
                .starts_with("least-agreement is 0")
        );
        assert!(Escalation::default().check().is_ok());
    }

    proptest! {
        #[test]
        fn asking_for_more_agreement_escalates_no_less(
            ps in prop::collection::vec(0.0..=1.0f64, 1..7), least in 0.01..=1.0f64, more in 0.01..=1.0f64,
        ) {
            let (least, more) = (least.min(more), least.max(more));
            let members = || ps.iter().map(|&p| Says::sure(p)).collect::<Vec<Says>>();
            if ruling(members(), least).spoke == Spoke::Above {
                prop_assert_eq!(ruling(members(), more).spoke, Spoke::Above);
            }
        }
    }
}
