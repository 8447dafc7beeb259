package org.lakepredict;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.spark.sql.ExperimentalMethods;
import org.apache.spark.sql.catalyst.expressions.Alias;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.NamedExpression;
import org.apache.spark.sql.catalyst.plans.logical.Aggregate;
import org.apache.spark.sql.catalyst.plans.logical.BaseEvalPython;
import org.apache.spark.sql.catalyst.plans.logical.Expand;
import org.apache.spark.sql.catalyst.plans.logical.Filter;
import org.apache.spark.sql.catalyst.plans.logical.Generate;
import org.apache.spark.sql.catalyst.plans.logical.GlobalLimit;
import org.apache.spark.sql.catalyst.plans.logical.Join;
import org.apache.spark.sql.catalyst.plans.logical.LocalLimit;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.Project;
import org.apache.spark.sql.catalyst.plans.logical.RebalancePartitions;
import org.apache.spark.sql.catalyst.plans.logical.RepartitionOperation;
import org.apache.spark.sql.catalyst.plans.logical.Sort;
import org.apache.spark.sql.catalyst.plans.logical.Window;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.catalyst.trees.TreeNode;
import org.apache.spark.sql.classic.SparkSession;
import scala.collection.immutable.Seq;

/**
 * Lets a model see only the rows whose prediction is needed: in CASE, IF, coalesce and their kin, those whose branch
 * reaches the call. Spark itself calls Python functions for all rows, before it looks at any condition.
 *
 * <p>Goes from the result of a query down to where Python functions are called, and carries along on which rows each
 * prediction is needed. What is known of one is passed on only where each row of an operator is one of the rows below;
 * anything else needs all predictions.
 *
 * <p>Runs in the optimizer after Python functions got plan nodes of their own, and after OncePerRow.
 */
public final class OnlyWhereNeeded extends Rule implements Runnable {
  private static final int MOST_NODES = 2000; // of a condition in which names were replaced by what they stand for
  private static final int MOST_NODES_OF_NAME = 50;

  public void run() {
    ExperimentalMethods methods = ((SparkSession) SparkSession.active()).experimental();
    if (!methods.extraOptimizations().contains(this)) {
      methods.extraOptimizations_$eq((Seq) methods.extraOptimizations().appended(this));
    }
  }

  public boolean equals(Object other) {
    return other instanceof OnlyWhereNeeded;
  }

  public int hashCode() {
    return OnlyWhereNeeded.class.hashCode();
  }

  public TreeNode apply(TreeNode plan) {
    LogicalPlan query = (LogicalPlan) plan;
    Set predictions = new HashSet();
    collect(query, predictions);
    return predictions.isEmpty() ? plan : rewritten(query, all(query, predictions), predictions);
  }

  // The ids of predictions, and of columns that are computed from them by projections.
  private static void collect(LogicalPlan plan, Set predictions) {
    for (LogicalPlan child : (List<LogicalPlan>) Columns.list(plan.children())) {
      collect(child, predictions);
    }
    if (plan instanceof BaseEvalPython) {
      Calls.collect((BaseEvalPython) plan, predictions);
    } else if (plan instanceof Project && !predictions.isEmpty()) {
      for (Expression column : (List<Expression>) Columns.list(((Project) plan).projectList())) {
        if (Columns.mentions(column, predictions)) {
          predictions.add(((NamedExpression) column).exprId());
        }
      }
    }
  }

  // `needs` says on which rows of the plan each prediction in its output is needed.
  private static LogicalPlan rewritten(LogicalPlan plan, Map needs, Set predictions) {
    if (plan instanceof BaseEvalPython) {
      Calls calls = new Calls((BaseEvalPython) plan);
      Map below = calls.guard(needs, predictions);
      return calls.placed(rewritten(calls.base(), below, predictions));
    }
    List children = new ArrayList();
    boolean isChanged = false;
    for (LogicalPlan child : (List<LogicalPlan>) Columns.list(plan.children())) {
      boolean isProject = plan instanceof Project;
      Map below = isProject ? of((Project) plan, needs, predictions) : of(plan, child, needs, predictions);
      LogicalPlan changed = rewritten(child, Conditions.within(below, Columns.ids(child.output())), predictions);
      isChanged |= changed != child;
      children.add(changed);
    }
    return isChanged ? (LogicalPlan) plan.withNewChildren(Columns.seq(children)) : plan;
  }

  private static Map of(LogicalPlan plan, LogicalPlan child, Map needs, Set predictions) {
    if (!isKnown(plan)) {
      return all(child, predictions);
    }
    Needs own = new Needs(predictions, Columns.ids(child.output()), plan instanceof Aggregate);
    boolean isTest = plan instanceof Filter || plan instanceof Join;
    Map below = new HashMap();
    for (Expression expression : (List<Expression>) Columns.list(plan.expressions())) {
      below = Conditions.either(below, isTest ? own.ofTest(expression) : own.of(expression));
    }
    if (plan instanceof Aggregate || plan instanceof Expand) {
      return below;
    }
    if (plan instanceof Window) {
      below = Conditions.always(below); // a row's window has other rows
    }
    below = plan instanceof Join ? Conditions.attempted(below) : below;
    return Conditions.either(below, keepsRows(plan) ? needs : Conditions.attempted(needs));
  }

  // What is asked of the rows above such an operator may be asked below it: it fails on no row that is not asked above.
  private static boolean keepsRows(LogicalPlan plan) {
    return plan instanceof Sort || plan instanceof Window || plan instanceof RepartitionOperation
        || plan instanceof RebalancePartitions;
  }

  // The operators that need of a row what their expressions say, and beside that pass its columns on.
  private static boolean isKnown(LogicalPlan plan) {
    return plan instanceof Filter || plan instanceof Aggregate || plan instanceof Expand || plan instanceof Sort
        || plan instanceof Window || plan instanceof Join || plan instanceof Generate || plan instanceof LocalLimit
        || plan instanceof GlobalLimit || plan instanceof RepartitionOperation || plan instanceof RebalancePartitions;
  }

  private static Map of(Project project, Map needs, Set predictions) {
    Set row = Columns.ids(project.child().output());
    Needs own = new Needs(predictions, row, false);
    Map definitions = new HashMap();
    for (Expression column : (List<Expression>) Columns.list(project.projectList())) {
      if (column instanceof Alias) {
        definitions.put(((Alias) column).exprId(), ((Alias) column).child());
      }
    }
    Map below = new HashMap();
    for (Expression column : (List<Expression>) Columns.list(project.projectList())) {
      Expression needed = Conditions.at(needs, ((NamedExpression) column).exprId());
      if (!needed.equals(Conditions.NEVER)) {
        Expression rows = defined(needed, definitions, row);
        below = Conditions.either(below, Conditions.when(rows, own.of(column)));
      }
    }
    return below;
  }

  // What a condition says of names that a projection defines, said of the columns below it.
  private static Expression defined(Expression condition, Map definitions, Set ids) {
    Map usable = new HashMap();
    for (Attribute column : (List<Attribute>) Columns.list(condition.references().toSeq())) {
      Expression definition = (Expression) definitions.get(column.exprId());
      boolean isUsable = definition != null && Columns.isOfRow(definition, ids);
      if (isUsable && Columns.nodes(definition) <= MOST_NODES_OF_NAME) {
        usable.put(column.exprId(), definition);
      }
    }
    Expression below = Columns.replaced(condition, usable);
    boolean isTooLong = below != condition && Columns.nodes(below) > MOST_NODES;
    return isTooLong ? Conditions.ALWAYS : Conditions.within(below, ids);
  }

  private static Map all(LogicalPlan plan, Set predictions) {
    Map needs = new HashMap();
    for (Attribute column : (List<Attribute>) Columns.list(plan.output())) {
      if (predictions.contains(column.exprId())) {
        needs.put(column.exprId(), Conditions.ALWAYS);
      }
    }
    return needs;
  }
}
